"""InCTRL straight from its equations: one query, one patch, one number at a time, in float64.

Slow on purpose, and shares nothing with gad.models.inctrl. Weights come as a dictionary of arrays under
the released checkpoints' names.
"""

from __future__ import annotations

import math

import numpy as np

Array = np.ndarray


def cosine(a: Array, b: Array) -> float:
    a, b = a.astype(np.float64), b.astype(np.float64)
    return float(np.dot(a, b)) / (math.sqrt(float(np.dot(a, a))) * math.sqrt(float(np.dot(b, b))))


def patch_residual(query: list[Array], prompts: list[list[Array]]) -> Array:
    """M_x[i] = mean over l of min over j of (1 - cos) / 2; ``prompts[k][l]`` is [P, C], so is ``query[l]``."""
    residual = np.zeros(len(query[0]))
    for i in range(len(query[0])):
        of_layers = []
        for layer in range(len(query)):
            nearest = math.inf
            for prompt in prompts:
                for patch in prompt[layer]:
                    nearest = min(nearest, 0.5 * (1.0 - cosine(query[layer][i], patch)))
            of_layers.append(nearest)
        residual[i] = sum(of_layers) / len(of_layers)
    return residual


def combined(residual: str, prompt: Array, query: Array) -> Array:
    """What stands for the difference: the two one after the other, or their mean."""
    if residual == "concat":
        return np.array([*prompt, *query], dtype=np.float64)
    if residual == "average":
        return np.array([(float(p) + float(q)) / 2.0 for p, q in zip(prompt, query, strict=True)])
    return np.array([float(p) - float(q) for p, q in zip(prompt, query, strict=True)])


def learned_residual(
    query: list[Array], prompts: list[list[Array]], weights: dict[str, Array], residual: str
) -> Array:
    """M_x[i] = mean over l of sigmoid(w_l . [nearest, query] + b_l), both of length 1; shapes as above."""
    out = np.zeros(len(query[0]))
    for i in range(len(query[0])):
        of_layers = []
        for layer in range(len(query)):
            own = query[layer][i].astype(np.float64)
            best, nearest = -math.inf, own
            for prompt in prompts:
                for patch in prompt[layer]:
                    if cosine(own, patch) > best:
                        best, nearest = cosine(own, patch), patch.astype(np.float64)
            own = own / math.sqrt(float(np.dot(own, own)))
            nearest = nearest / math.sqrt(float(np.dot(nearest, nearest)))
            logit = matrix_vector(weights[f"patch_pairs.{layer}.weight"], combined(residual, nearest, own))
            of_layers.append(sigmoid(float(logit[0]) + float(weights[f"patch_pairs.{layer}.bias"][0])))
        out[i] = sum(of_layers) / len(of_layers)
    return out


def class_embedding(sentences: list[Array]) -> Array:
    total = np.zeros(len(sentences[0]))
    for sentence in sentences:
        row = sentence.astype(np.float64)
        total = total + row / math.sqrt(float(np.dot(row, row)))
    average = total / len(sentences)
    return average / math.sqrt(float(np.dot(average, average)))


def text_prior(token: Array, normal: Array, anomalous: Array) -> float:
    a, b = 100.0 * cosine(token, normal), 100.0 * cosine(token, anomalous)
    top = max(a, b)
    return math.exp(b - top) / (math.exp(a - top) + math.exp(b - top))


def matrix_vector(matrix: Array, vector: Array) -> Array:
    return np.array([sum(float(w) * float(x) for w, x in zip(row, vector, strict=True)) for row in matrix])


def sigmoid(value: float) -> float:
    return 1.0 / (1.0 + math.exp(-value))


def relu(vector: Array) -> Array:
    return np.array([value if value > 0 else 0.0 for value in vector])


def adapter(token: Array, weights: dict[str, Array]) -> Array:
    hidden = relu(matrix_vector(weights["adapter.fc.0.weight"], token))
    return relu(matrix_vector(weights["adapter.fc.2.weight"], hidden))


def batch_norm(vector: Array, name: str, weights: dict[str, Array]) -> Array:
    """With the running statistics, as when scoring; eps is PyTorch's 1e-5."""
    out = []
    for c, value in enumerate(vector):
        mean, variance = weights[f"{name}.running_mean"][c], weights[f"{name}.running_var"][c]
        scaled = (value - mean) / math.sqrt(float(variance) + 1e-5)
        out.append(scaled * weights[f"{name}.weight"][c] + weights[f"{name}.bias"][c])
    return np.array(out)


def head(vector: Array, name: str, weights: dict[str, Array]) -> float:
    """Linear, ReLU, BatchNorm, Linear, ReLU, BatchNorm, Linear, sigmoid; bn1 is not used."""
    for projection, norm in (("projection1", "bn2"), ("projection2", "bn3")):
        linear = matrix_vector(weights[f"{name}.{projection}.weight"], vector)
        linear = linear + weights[f"{name}.{projection}.bias"]
        vector = batch_norm(relu(linear), f"{name}.{norm}", weights)
    logit = matrix_vector(weights[f"{name}.projection3.weight"], vector)[0]
    return sigmoid(float(logit) + float(weights[f"{name}.projection3.bias"][0]))


def image_residual(
    token: Array, prompts: list[Array], weights: dict[str, Array], residual: str = "subtract"
) -> Array:
    """r = mean_k A(t(P_k)) - A(t(x)), or what stands for the difference."""
    total = np.zeros(len(token))
    for prompt in prompts:
        total = total + adapter(prompt, weights)
    return combined(residual, total / len(prompts), adapter(token, weights))


def score(
    token: Array,
    prompt_tokens: list[Array],
    residual: Array,
    prior: float,
    weights: dict[str, Array],
    components: str = "TPI",
    kind: str = "subtract",
) -> dict[str, float]:
    """Score of one query and what it is made of; ``residual`` is M_x, ``prior`` is s_a.

    ``kind`` is what stands for the difference at image level.
    """
    out: dict[str, float] = {}
    if "I" in components:
        vector = image_residual(token, prompt_tokens, weights, kind)
        out["image_score"] = head(vector, "diff_head_ref", weights)
    if "T" in components:
        out["text_score"] = prior
    if "P" in components:
        out["patch_score"] = max(float(value) for value in residual)
    if components == "T":
        return {**out, "score": prior}
    if components == "I":
        return {**out, "score": out["image_score"]}
    holistic_map = np.zeros(len(residual))
    for i in range(len(residual)):
        holistic_map[i] += out.get("image_score", 0.0) + out.get("text_score", 0.0)
        if "P" in components:
            holistic_map[i] += residual[i]
    out["holistic"] = head(holistic_map, "diff_head", weights)
    out["score"] = (out["holistic"] + out["patch_score"]) / 2 if "P" in components else out["holistic"]
    return out


def focal_loss(probabilities: list[float], labels: list[int]) -> float:
    total = 0.0
    for probability, label in zip(probabilities, labels, strict=True):
        right = probability if label == 1 else 1.0 - probability
        total += -((1.0 - right) ** 2) * math.log(right)
    return total / len(labels)


def logit_focal_loss(logits: list[float], labels: list[int]) -> float:
    """The focal loss of what it takes for logits: that of their sigmoids."""
    return focal_loss([sigmoid(logit) for logit in logits], labels)


def released_reading(
    queries: list[Array], prompts: list[Array], prompt_tokens: Array, batch: int
) -> tuple[Array, Array, Array]:
    """What the released code sees of a batch: its stacks read image by image without a transpose.

    ``queries``: per layer ``[b, P, C]``. ``prompts``: per layer ``[K * b, P, C]``, all first prompts first.
    ``prompt_tokens``: ``[K * b, D]``. Returns ``[b, L, P, C]``, ``[b, L, K * P, C]`` and ``[b, K, D]``.
    """
    layers, shots = len(queries), len(prompt_tokens) // batch
    patches, width = queries[0].shape[1:]
    return (
        np.stack(queries).reshape(batch, layers, patches, width),
        np.stack(prompts).reshape(batch, layers, shots * patches, width),
        prompt_tokens.reshape(batch, shots, -1),
    )
