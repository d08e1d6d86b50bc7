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
    return 1.0 / (1.0 + math.exp(-(logit + float(weights[f"{name}.projection3.bias"][0]))))


def image_residual(token: Array, prompts: list[Array], weights: dict[str, Array]) -> Array:
    """r = mean_k A(t(P_k)) - A(t(x))."""
    total = np.zeros(len(token))
    for prompt in prompts:
        total = total + adapter(prompt, weights)
    return total / len(prompts) - adapter(token, weights)


def score(
    token: Array,
    prompt_tokens: list[Array],
    residual: Array,
    prior: float,
    weights: dict[str, Array],
    components: str = "TPI",
) -> dict[str, float]:
    """Score of one query and what it is made of; ``residual`` is M_x, ``prior`` is s_a."""
    out: dict[str, float] = {}
    if "I" in components:
        out["image_score"] = head(image_residual(token, prompt_tokens, weights), "diff_head_ref", weights)
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
