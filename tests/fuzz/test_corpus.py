"""Inputs that once broke something, that reach far, or that are as long as can be: replayed on every run."""

from random import Random

import pytest

from tests.fuzz.mutation import mutated
from tests.fuzz.targets import TARGETS, Target

each_target = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS.keys())
MUTATIONS = 40  # of each target, drawn from the same seed on every machine


@each_target
def test_nothing_in_the_corpus_breaks_or_slows_it(target: Target) -> None:
    for data in target.seeds():
        target.timed(data)


@each_target
def test_no_change_to_what_is_well_formed_breaks_or_slows_it(target: Target) -> None:
    random = Random(target.name)
    seeds = list(target.seeds())
    for _ in range(MUTATIONS):
        target.timed(mutated(random.choice(seeds), random))
