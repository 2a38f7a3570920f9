"""Checks the JSON of `qcc eval --tokens` against the toy decoder's formula."""
import json
import math
import sys

windows = [[1, 2, 3, 4], [5, 6, 7, 0], [1, 3, 5, 7]]


def log_probabilities(scale):
    for window in windows:
        for i in range(3):
            logits = [scale * ((5 * window[i] + 3 * v + sum(window[:i + 1])) % 11) for v in range(8)]
            total = math.log(sum(map(math.exp, logits)))
            yield window[i + 1], [x - total for x in logits]


model, reference = list(log_probabilities(0.45)), list(log_probabilities(0.5))
perplexity = [math.exp(-sum(p[t] for t, p in rows) / 9) for rows in (model, reference)]
kld = sum(sum(math.exp(a) * (a - b) for a, b in zip(r, m)) for (_, m), (_, r) in zip(model, reference)) / 9
got = json.load(open(sys.argv[1]))
for key, want in (("perplexity", perplexity[0]), ("reference_perplexity", perplexity[1]),
                  ("delta_perplexity", perplexity[0] - perplexity[1]), ("kld_mean", kld), ("top1", 1)):
    assert abs(got[key] - want) < 1e-6 * max(1, abs(want)), (key, got[key], want)
