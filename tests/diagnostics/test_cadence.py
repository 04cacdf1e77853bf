import pytest
from flatline.diagnostics.cadence import Cadence


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def measured(share, cost_s, seconds, every_s=0.5):
    """When a measurement that is asked for every so often was made, in seconds from the first."""
    clock, made = Clock(), []
    cadence = Cadence(share, clock)
    while clock.now < 100 + seconds:
        if cadence.is_due():
            made.append(clock.now - 100)
            clock.now += cost_s
            cadence.spend(cost_s)
        clock.now += every_s
    return made


def test_the_first_is_due_at_once_and_stays_due_until_it_is_made():
    cadence = Cadence(0.01, Clock())
    assert [cadence.is_due() for _ in range(3)] == [True, True, True]


def test_the_next_is_due_when_both_fit_into_the_share():
    clock = Clock()
    cadence = Cadence(0.01, clock)
    assert cadence.is_due()
    cadence.spend(0.3)
    clock.now += 59.9
    assert not cadence.is_due()
    clock.now += 0.2
    assert cadence.is_due()


@pytest.mark.parametrize("cost_s", [0.001, 0.05, 1.0, 7.0])
@pytest.mark.parametrize("share", [0.01, 0.04, 0.5])
def test_all_but_the_first_stay_within_the_share(share, cost_s):
    made = measured(share, cost_s, 1000)
    for n_made, at in enumerate(made[1:], 2):
        assert n_made * cost_s <= share * at + 1e-9


@pytest.mark.parametrize("share", [0.01, 0.04])
def test_the_share_is_used(share):
    assert len(measured(share, 0.1, 1000)) == pytest.approx(1000 * share / 0.1, abs=1.5)


def test_what_costs_nothing_is_always_due():
    assert len(measured(0.01, 0.0, 100)) == 200


def test_one_costly_measurement_puts_off_the_next_until_it_is_paid_off():
    clock = Clock()
    cadence = Cadence(0.1, clock)
    for cost_s in (1.0, 0.0):
        assert cadence.is_due()
        cadence.spend(cost_s)
        clock.now += 21
    cadence.spend(9.0)
    assert not cadence.is_due()
    clock.now = 100 + (1 + 9 + 9) / 0.1 - 0.1
    assert not cadence.is_due()
    clock.now += 0.2
    assert cadence.is_due()
