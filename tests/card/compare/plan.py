"""What runs, in which order: what tells most comes first. Only decisions: no processes, no clock."""
from dataclasses import dataclass

import mechanisms
import verdicts


@dataclass
class Run:
    """at: what the VRAM is. "bare": all there is; "share": that share of the bare peak; "fastest": what the fastest other took;
    otherwise what the mechanism of that name took."""

    model: str
    share: int
    mechanism: str
    at: str = "share"
    policy: str = ""
    safety: str = ""

    def name(self):
        if self.mechanism == "none":
            return f"{self.model} bare"
        words = [self.model, f"{self.share} %", self.mechanism, self.policy, self.safety]
        if self.at != "share":
            words.append("in the fastest's VRAM" if self.at == "fastest" else f"in {self.at}'s VRAM")
        return " ".join(word for word in words if word)


def groups_of(model):
    """The form of group offload that its own documentation recommends first for such a model, and the other."""
    return ("diffusers_group_leaf", "diffusers_group_block") if model == "decoder" else ("diffusers_group_block", "diffusers_group_leaf")


def core(model, share, safeties):
    first, _ = groups_of(model)
    others = [first, "sdnext_balanced", "accelerate"]
    return ([Run(model, share, "lowtide", "share", "balanced", safety) for safety in safeties]
            + [Run(model, share, name) for name in others] + at_fastest(model, share, safeties))


def at_fastest(model, share, safeties):
    return [Run(model, share, "lowtide", "fastest", "balanced", safety) for safety in safeties]


def rest(model, share, safeties):
    _, other = groups_of(model)
    runs = [Run(model, share, name) for name in ("sdnext_sequential", "diffusers_group_kept", "accelerate_dispatch", other, "diffusers_model")]
    runs += at_fastest(model, share, safeties)  # where one of these was the fastest
    for policy, namesake in (("sequential", "sdnext_sequential"), ("group", "diffusers_model")):
        runs += [Run(model, share, "lowtide", namesake, policy, safety) for safety in safeties]
    return runs


def scaled(model, share, safeties):
    """At the other shares only what depends on them, and what may not have fitted."""
    return ([Run(model, share, "lowtide", "share", "balanced", safety) for safety in safeties]
            + [Run(model, share, name) for name in ("diffusers_group_kept", "sdnext_balanced", "accelerate_dispatch", "diffusers_model")]
            + at_fastest(model, share, safeties))


def all_runs(models, shares, safeties):
    """shares: the first is the one that everything runs at."""
    runs = []
    for model in models:
        runs += [Run(model, shares[0], "none", "bare")] + core(model, shares[0], safeties)
    for model in models:
        runs += rest(model, shares[0], safeties)
    for share in shares[1:]:
        for model in models:
            runs += scaled(model, share, safeties)
    return runs


RAN = "ran already"


def cap_bytes(run, done):
    """(bytes, None), or (None, why it is left out), from the records of what ran before. None bytes: no cap."""
    if run.at == "bare":
        return None, None
    bare = next((r for r in done if r["model"] == run.model and r["mechanism"] == "none" and verdicts.good(r)), None)
    if not bare:
        return None, "there is no bare run"
    if not scales(run) and any(r["model"] == run.model and r["mechanism"] == run.mechanism and verdicts.good(r) for r in done):
        return None, RAN
    share = verdicts.cap_of(bare, run.share)
    if run.at == "share":
        return share, None
    others = verdicts.of_share(done, run.model, run.share, share)
    if run.at != "fastest":
        others = [r for r in others if r["mechanism"] == run.at]
    other = verdicts.fastest(others)
    if not other:
        return None, "no other ran within the VRAM" if run.at == "fastest" else f"{run.at} did not run within the VRAM"
    cap = verdicts.took_bytes(other)
    if any((r["model"], r["mechanism"], r["at"], r["policy"], r["safety"], r["cap_bytes"])
           == (run.model, run.mechanism, run.at, run.policy, run.safety, cap) for r in done):
        return None, RAN
    return cap, None


def scales(run):
    return mechanisms.TABLE[run.mechanism].scales
