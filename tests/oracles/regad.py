"""RegAD straight from its definitions, from pixels to map and to loss, in float64 and without torch.

Weights come as arrays under the checkpoint's names. Shares nothing with gad.models.regad.
"""

from __future__ import annotations

import math

import numpy as np
from oracles.maps import mirrored, smoothed

Array = np.ndarray
State = dict[str, Array]
EPSILON = 1e-5  # of batch norm


def convolved(x: Array, weights: Array, stride: int, padding: int) -> Array:
    """[n, C, h, w] with [D, C, k, k] -> [n, D, h', w']: sums of products over every window."""
    k = weights.shape[2]
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    high, wide = ((side - k) // stride + 1 for side in x.shape[2:])
    out = np.zeros((len(x), len(weights), high, wide))
    for dy in range(k):
        for dx in range(k):
            window = x[:, :, dy : dy + stride * high : stride, dx : dx + stride * wide : stride]
            out += np.einsum("nchw,dc->ndhw", window, weights[:, :, dy, dx], optimize=True)
    return out


def pooled(x: Array) -> Array:
    """Largest of 3x3 at every second place."""
    x = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    high, wide = ((side - 3) // 2 + 1 for side in x.shape[2:])
    windows = [x[:, :, dy : dy + 2 * high : 2, dx : dx + 2 * wide : 2] for dy in range(3) for dx in range(3)]
    return np.max(windows, axis=0)


class Network:
    """``training``: batch norm by the batch's own mean and variance, as during training."""

    def __init__(self, state: State, *, training: bool) -> None:
        self.state = {name: value.astype(np.float64) for name, value in state.items()}
        self.training = training

    def norm(self, x: Array, name: str) -> Array:
        own = self.state
        mean, variance = own[f"{name}.running_mean"], own[f"{name}.running_var"]
        if self.training:
            mean, variance = x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3))
        scale = own[f"{name}.weight"] / np.sqrt(variance + EPSILON)
        shift = own[f"{name}.bias"] - mean * scale
        return x * scale[:, None, None] + shift[:, None, None]

    def block(self, x: Array, name: str, stride: int) -> Array:
        """Two convolutions and a way around them."""
        own = self.state
        y = np.maximum(self.norm(convolved(x, own[f"{name}.conv1.weight"], stride, 1), f"{name}.bn1"), 0)
        y = self.norm(convolved(y, own[f"{name}.conv2.weight"], 1, 1), f"{name}.bn2")
        if f"{name}.downsample.0.weight" in own:
            x = self.norm(convolved(x, own[f"{name}.downsample.0.weight"], stride, 0), f"{name}.downsample.1")
        return np.maximum(x + y, 0)

    def located(self, x: Array, name: str) -> Array:
        """[n, 2, 3]: rotation and scales that a transformer estimates."""
        own, y = self.state, x
        for conv, norm in ((0, 1), (4, 5)):
            y = convolved(y, own[f"{name}.{conv}.weight"], 1, 1)
            y = pooled(np.maximum(self.norm(y, f"{name}.{norm}"), 0))
        y = y.reshape(len(y), -1) @ own[f"{name}.9.weight"].T + own[f"{name}.9.bias"]
        y = np.maximum(y, 0) @ own[f"{name}.11.weight"].T + own[f"{name}.11.bias"]
        rows = [[[sx * math.cos(a), -math.sin(a), 0], [math.sin(a), sy * math.cos(a), 0]] for a, sx, sy in y]
        return np.array(rows)

    def registered(self, images: Array) -> tuple[list[Array], list[Array]]:
        """Images [n, 3, h, w] in 0..1 -> registered features and transformations of the three stages."""
        own = self.state
        x = (images - own["mean"]) / own["std"]
        x = np.maximum(self.norm(convolved(x, own["stem.0.weight"], 2, 3), "stem.1"), 0)
        x = pooled(x)
        features, affines = [], []
        for stage in range(3):
            x = self.block(x, f"stages.{stage}.0", 1 if stage == 0 else 2)
            x = self.block(x, f"stages.{stage}.1", 1)
            affine = self.located(x, f"transformers.{stage}.locate")
            x = np.stack([moved(each, a) for each, a in zip(x, affine, strict=True)])
            features.append(x)
            affines.append(affine)
        return features, affines

    def embedded(self, images: Array) -> Array:
        """[n, H, W, all channels]: every stage moved back into the image, coarser positions repeated."""
        features, affines = self.registered(images)
        found = []
        for image in range(len(images)):
            layers = []
            for stage in range(3):
                each = features[stage][image]
                for back in range(stage, -1, -1):
                    whole = np.vstack([affines[back][image], [0, 0, 1]])
                    each = moved(each, np.linalg.inv(whole)[:2])
                layers.append(each)
            side = layers[0].shape[1]
            out = np.zeros((side, side, sum(len(layer) for layer in layers)))
            for y in range(side):
                for x in range(side):
                    out[y, x] = np.concatenate(
                        [layer[:, y * layer.shape[1] // side, x * layer.shape[2] // side] for layer in layers]
                    )
            found.append(out)
        return np.stack(found)

    def head(self, features: Array) -> tuple[Array, Array]:
        """z and p."""
        own, x = self.state, features
        for conv, norm in ((0, 1), (3, 4)):
            x = np.maximum(self.norm(convolved(x, own[f"encoder.{conv}.weight"], 1, 0), f"encoder.{norm}"), 0)
        z = convolved(x, own["encoder.6.weight"], 1, 0)
        x = np.maximum(self.norm(convolved(z, own["predictor.0.weight"], 1, 0), "predictor.1"), 0)
        return z, convolved(x, own["predictor.3.weight"], 1, 0)


def moved(x: Array, affine: Array) -> Array:
    """[C, h, w] taken from where ``affine`` [2, 3] points, in -1..1 from border to border; mirrored beyond it."""
    high, wide = x.shape[1:]
    out = np.zeros(x.shape)
    for row in range(high):
        for column in range(wide):
            place = np.array([(2 * column + 1) / wide - 1, (2 * row + 1) / high - 1, 1.0])
            right, down = affine @ place
            out[:, row, column] = between(x, ((down + 1) * high - 1) / 2, ((right + 1) * wide - 1) / 2)
    return out


def between(x: Array, row: float, column: float) -> Array:
    """The value at a place between pixels, of a picture that goes on mirrored."""
    top, left = math.floor(row), math.floor(column)
    value = np.zeros(len(x))
    for y, x_place in ((top, left), (top, left + 1), (top + 1, left), (top + 1, left + 1)):
        weight = (1 - abs(row - y)) * (1 - abs(column - x_place))
        value += weight * x[:, mirrored(y, x.shape[1]), mirrored(x_place, x.shape[2])]
    return value


def views(image: Array) -> list[Array]:
    """The 22 views of one image [3, h, w]."""
    found = [image]
    for angle in (-45, -33.75, -22.5, -11.25, 11.25, 22.5, 33.75, 45):
        c, s = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        found.append(moved(image, np.array([[c, -s, 0], [s, c, 0]])))
    for far in (0.1, 0.2):
        for right, down in ((-far, -far), (-far, far), (far, -far), (far, far)):
            found.append(moved(image, np.array([[1, 0, right], [0, 1, down]])))
    found.append(image[:, :, ::-1])
    grey = 0.299 * image[0] + 0.587 * image[1] + 0.114 * image[2]
    found.append(np.stack([grey, grey, grey]))
    return found + [np.rot90(image, times, axes=(1, 2)) for times in (1, 2, 3)]


def image_maps(state: State, queries: Array, prompts: Array, epsilon: float) -> list[Array]:
    """The smoothed maps, whose maxima are the scores, of images [n, 3, size, size] in 0..1."""
    network = Network(state, training=False)
    shown = network.embedded(np.stack([view for prompt in prompts for view in views(prompt)]))
    asked = network.embedded(queries)
    found = np.zeros(asked.shape[:3])
    for y in range(asked.shape[1]):
        for x in range(asked.shape[2]):
            rows = shown[:, y, x]
            covariance = np.cov(rows, rowvar=False) + epsilon * np.eye(rows.shape[1])
            inverse = np.linalg.inv(covariance)
            for query in range(len(asked)):
                away = asked[query, y, x] - rows.mean(axis=0)
                found[query, y, x] = math.sqrt(away @ inverse @ away)
    return [smoothed(each, queries.shape[2]) for each in found]


def loss(
    network: State, head: State, queries: Array, partners: Array, constant: tuple[Array, Array] | None = None
) -> tuple[float, tuple[Array, Array]]:
    """The registration loss of b queries [b, 3, s, s] and their partners [b, m, 3, s, s], and both z.

    ``constant`` takes the place of both z inside the loss: no gradient passes through them.
    """
    whole = Network(network, training=True)
    a = whole.registered(queries)[0][-1]
    many = whole.registered(partners.reshape(-1, *partners.shape[2:]))[0][-1]
    b = many.reshape(len(queries), -1, *many.shape[1:]).mean(axis=1)
    siamese = Network(head, training=True)
    (z_a, p_a), (z_b, p_b) = siamese.head(a), siamese.head(b)
    targets = constant or (z_a, z_b)
    return (cosine(p_a, targets[1]) + cosine(p_b, targets[0])) / 2, (z_a, z_b)


def cosine(p: Array, z: Array) -> float:
    """Negative cosine, averaged over pairs and positions."""
    total = []
    for one, other in zip(p, z, strict=True):
        for row in range(p.shape[2]):
            for column in range(p.shape[3]):
                u, v = one[:, row, column], other[:, row, column]
                total.append(-(u @ v) / (np.linalg.norm(u) * np.linalg.norm(v)))
    return float(np.mean(total))
