"""How the time is shared out. Each step may take its share of what is left when it begins, by its weight among the steps that
are still to come: what one step leaves unused goes to the later ones, what one takes too much (the build) all of them pay."""
import time

END_S = 3.0  # kept for writing the results
FLOOR_S = 3.0  # less is no use to any step: with a small budget the first ones take it from the later ones


class Budget:
    """shares: {step: seconds} in the order they run. clock: for tests."""

    def __init__(self, total_s, shares, clock=time.monotonic, began=None):
        self.total_s, self.shares, self.clock = total_s, dict(shares), clock
        self.began = clock() if began is None else began
        self.end = self.began + total_s - END_S
        self.to_come = dict(shares)

    def spent_s(self):
        return self.clock() - self.began

    def begin(self, step):
        """Its deadline, a moment of the clock. Steps begin in order; one that is passed over gives its share away."""
        order = list(self.shares)
        for earlier in order[:order.index(step)]:
            self.to_come.pop(earlier, None)
        now = self.clock()
        left = max(0.0, self.end - now)
        share = self.to_come.pop(step)
        rest = share + sum(self.to_come.values())
        return now + max(left * share / rest, min(FLOOR_S, left / 2))


def left_s(deadline, clock=time.monotonic):
    return max(0.0, deadline - clock())
