import sqlite3
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from drumline.play.listening.answers import Answers

from drumline.errors import InputError
from tests.play.listening.beats import NAMES, SOURCES, STEPS, source


@pytest.fixture
def path(tmp_path):
    return tmp_path / "listening" / "answers.sqlite"


@pytest.fixture
def answers(path):
    return Answers(path)


@pytest.fixture
def clips(answers):
    return answers.keep(SOURCES)


def sources_of(answers, token) -> tuple[str, str]:
    """What a listener is not told: the sources of sides a and b."""
    with sqlite3.connect(answers.path) as database:
        query = "SELECT a.source, b.source FROM pair JOIN clip a ON a.id = a JOIN clip b ON b.id = b WHERE token = ?"
        return database.execute(query, [token]).fetchone()


def compared(answers) -> dict[frozenset, int]:
    return {frozenset((tally.a, tally.b)): tally.answers for tally in answers.tallies(STEPS)}


def test_an_answer_is_a_win_of_the_source_on_that_side(answers, clips):
    wins, same = Counter(), Counter()
    for choice in ["a", "b", "same"] * 10:
        token = answers.ask(clips)
        sides = dict(zip("ab", sources_of(answers, token), strict=True))
        assert answers.answer(token, choice)
        if choice == "same":
            same[frozenset(sides.values())] += 1
        else:
            wins[sides.pop(choice), *sides.values()] += 1
    tallies = answers.tallies(STEPS)
    assert sum(tally.answers for tally in tallies) == 30
    for tally in tallies:
        assert (tally.a_wins, tally.b_wins) == (wins[tally.a, tally.b], wins[tally.b, tally.a])
        assert tally.same == same[frozenset((tally.a, tally.b))]


def test_the_second_answer_to_a_pair_changes_nothing_and_is_told_so(answers, clips):
    token = answers.ask(clips)
    assert answers.answer(token, "a")
    before = answers.tallies(STEPS)
    assert not answers.answer(token, "b")
    assert not answers.answer(token, "a")
    assert answers.tallies(STEPS) == before


def test_of_answers_posted_at_once_one_counts(answers, clips):
    token = answers.ask(clips)
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda choice: answers.answer(token, choice), ["a", "b"] * 8))
    assert sum(counted) == 1
    assert sum(compared(answers).values()) == 1


def test_threads_that_ask_and_answer_at_once_lose_nothing(answers, clips):
    with ThreadPoolExecutor(8) as pool:
        counted = list(pool.map(lambda _: answers.answer(answers.ask(clips), "a"), range(40)))
    assert all(counted)
    assert sum(compared(answers).values()) == 40


def test_a_pair_asked_before_a_restart_is_heard_and_answered_after_it(answers, clips, path):
    token = answers.ask(clips)
    heard = answers.beat(token, "a")
    again = Answers(path)
    again.keep([source("conv")])
    np.testing.assert_array_equal(again.beat(token, "a"), heard)
    assert again.answer(token, "a")
    assert not Answers(path).answer(token, "b")


def test_the_same_beats_are_the_same_clips_after_a_restart(clips, path):
    assert Answers(path).keep(SOURCES) == clips
    assert len({number for numbers in clips.values() for number in numbers}) == 9


def test_what_is_heard_are_the_hits_and_not_how_hard_they_were(answers, clips):
    beats = {(beat > 0).astype(np.int64).tobytes() for source in SOURCES for beat in source.beats}
    token = answers.ask(clips)
    for side in "ab":
        heard = answers.beat(token, side)
        assert set(np.unique(heard)) <= {0, 1}
        assert heard.tobytes() in beats


def test_every_two_sources_are_compared_equally_often(answers, clips):
    for _ in range(12):
        answers.answer(answers.ask(clips), "a")
    assert compared(answers) == {frozenset(pair): 4 for pair in [NAMES[:2], NAMES[1:], NAMES[::2]]}


def test_the_least_compared_pair_is_asked_next(answers, clips):
    for _ in range(5):
        answers.answer(answers.ask({name: clips[name] for name in NAMES[:2]}), "a")
    for _ in range(6):
        token = answers.ask(clips)
        assert set(sources_of(answers, token)) != set(NAMES[:2])
        answers.answer(token, "a")


def test_each_source_is_on_either_side(answers, clips):
    sides = Counter(sources_of(answers, answers.ask(clips))[0] for _ in range(60))
    assert set(sides) == set(NAMES)
    assert min(sides.values()) >= 5


def test_answers_about_an_older_version_do_not_count_for_a_newer(answers, clips):
    for _ in range(9):
        answers.answer(answers.ask(clips), "a")
    answers.keep([source("lstm", version=2)])
    assert compared(answers) == {frozenset(NAMES[:2]): 0, frozenset(NAMES[1:]): 0, frozenset(NAMES[::2]): 3}


def test_beats_of_another_length_are_a_test_of_their_own(answers, clips):
    answers.answer(answers.ask(clips), "a")
    assert answers.tallies(2 * STEPS) == []


@pytest.mark.parametrize("token", ["", "x", "' OR 1 = 1 --", "../../etc/passwd"])
def test_an_unknown_pair_is_refused(answers, clips, token):
    answers.ask(clips)
    for refused in (lambda: answers.answer(token, "a"), lambda: answers.beat(token, "a")):
        with pytest.raises(InputError, match="There is no such pair"):
            refused()
    assert sum(compared(answers).values()) == 0


@pytest.mark.parametrize("choice", ["", "A", "c", "real", "a; DROP TABLE pair"])
def test_an_unknown_choice_is_refused_and_the_pair_stays_open(answers, clips, choice):
    token = answers.ask(clips)
    with pytest.raises(InputError, match="There is no choice"):
        answers.answer(token, choice)
    with pytest.raises(InputError, match="no side"):
        answers.beat(token, choice)
    assert answers.answer(token, "a")


def test_a_file_that_is_something_else_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no database at all, " * 100)
    for path in (tmp_path / "notes.txt", tmp_path / "notes.txt" / "answers.sqlite", tmp_path):
        with pytest.raises(InputError, match="cannot keep answers there") as refused:
            Answers(path)
        assert str(path) in str(refused.value)


def test_a_file_that_was_moved_away_is_named_and_not_made_again(answers, clips):
    answers.path.rename(answers.path.with_name("moved.sqlite"))
    with pytest.raises(InputError, match="cannot keep answers there"):
        answers.ask(clips)
    assert not answers.path.exists()
