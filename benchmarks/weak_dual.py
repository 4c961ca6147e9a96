"""The value of weak quadratic transport between measures of the plane or the line, from below.

With Y ~ mu of mean b, ½ E|x - Y|² - ½ gamma Var(mu) = ½ gamma |b - x / gamma|² + terms that do not
depend on the plan, so that by the duality of Gozlan and Juillet 2020, theorem 1.2,

    W_gamma(P, Q) = terms + sup over convex phi of  E_P min_b [½ gamma |b - x / gamma|² + phi(b)] - E_Q phi.

Every convex phi gives a lower bound. Here phi is a soft maximum of affine functions, trained on one
set of points and evaluated on another; the bound rises to the value as their number grows."""

import math

import torch

PIECES, SOFTNESS, RATE = 48, 0.03, 0.2
NEWTON = 3  # steps of the inner minimum for each of phi, which goes on from the last one


class Phi:
    def __init__(self, dimension):
        generator = torch.Generator().manual_seed(0)
        self.slopes = 0.3 * torch.randn(PIECES, dimension, generator=generator, dtype=torch.float64)
        self.offsets = -0.1 * torch.rand(PIECES, generator=generator, dtype=torch.float64)

    def value(self, points):
        return SOFTNESS * torch.logsumexp(self.logits(points), 1)

    def shares(self, points):
        return torch.softmax(self.logits(points), 1)

    def logits(self, points):
        return (points @ self.slopes.T + self.offsets) / SOFTNESS


def lowest(phi, x, gamma, b, steps):
    """min over b of ½ gamma |b - x|² + phi(b) from `b`, by Newton steps that never go up: b, value."""
    d = x.shape[1]

    def height(b):
        return 0.5 * gamma * (b - x).square().sum(1) + phi.value(b)

    least = height(b)
    products = (phi.slopes[:, :, None] * phi.slopes[:, None]).reshape(PIECES, -1)
    for _ in range(steps):
        shares = phi.shares(b)
        mean = shares @ phi.slopes
        spread = (shares @ products).reshape(-1, d, d) - mean[:, :, None] * mean[:, None]
        hessian = gamma * torch.eye(d, dtype=b.dtype) + spread / SOFTNESS
        step = torch.linalg.solve(hessian, (gamma * (b - x) + mean)[:, :, None])[:, :, 0]
        size = torch.ones(len(x), 1, dtype=b.dtype)
        for _ in range(10):
            tried = b - size * step
            found = height(tried)
            better = found <= least
            b = torch.where(better[:, None], tried, b)
            least = torch.minimum(least, found)
            if better.all():
                break
            size = torch.where(better[:, None], 0, size / 4)
    return b, least


def trained(x, y, gamma, steps):
    """phi after `steps` steps of Adam on all points; x is already over gamma."""
    phi = Phi(x.shape[1])
    parameters = [phi.slopes, phi.offsets]
    first, second = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
    b = x
    for t in range(1, steps + 1):
        b, _ = lowest(phi, x, gamma, b, NEWTON)
        at_b, at_y = phi.shares(b), phi.shares(y)
        slopes = [at_b.T @ b / len(x) - at_y.T @ y / len(y), at_b.mean(0) - at_y.mean(0)]
        rate = RATE * 0.5 * (1 + math.cos(math.pi * t / steps))
        for p, g, m, v in zip(parameters, slopes, first, second):
            m += 0.1 * (g - m)
            v += 0.01 * (g * g - v)
            p += rate * (m / (1 - 0.9**t)) / ((v / (1 - 0.99**t)).sqrt() + 1e-12)
    return phi


def lower_bound(draw, gamma, count=2048, fresh=32768, steps=300):
    """W_gamma from below; `draw(n, part)` gives n points of each measure, other ones for each part."""
    x, y = (torch.as_tensor(points, dtype=torch.float64) for points in draw(count, 0))
    phi = trained(x / gamma, y, gamma, steps)
    x, y = (torch.as_tensor(points, dtype=torch.float64) for points in draw(fresh, 1))
    _, least = lowest(phi, x / gamma, gamma, x / gamma, 30)
    terms = 0.5 * (1 - 1 / gamma) * x.square().sum(1).mean()
    terms += 0.5 * (1 - gamma) * y.square().sum(1).mean()
    return (terms + least.mean() - phi.value(y).mean()).item()
