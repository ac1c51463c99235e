"""Which split a song goes to.

The rule: the id of a song's group of near copies (its own where it has none) is a hash, which decides by the buckets of
the splits, 80/10/10. A split that would hold no window borrows the group of the highest id from the split that has the
most to give, so three groups are enough; where there are fewer, songs are split one by one. A song therefore keeps its
split when others are added, unless it was borrowed and its place is taken by a song that belongs there, or a near copy
with a lesser id is added.
"""

import bisect
import itertools
from collections.abc import Iterable, Mapping

Highest = tuple[str, ...]  # the highest ids of a split, as many as there are splits, in order


def split_of(song_id: str, splits: Mapping[str, int]) -> str:
    """The split that an id, a hash in hexadecimal, decides by itself.

    Args:
      song_id: Of a song or a group.
      splits: Hash buckets by name of split.

    Returns:
      The name of a split.
    """
    ends = list(itertools.accumulate(splits.values()))
    return list(splits)[bisect.bisect(ends, int(song_id, 16) % ends[-1])]


def merge_highest(several: Iterable[Highest], most: int) -> Highest:
    """The highest of the distinct ids in several tuples, at most `most` of them, in order."""
    return tuple(sorted(set(itertools.chain.from_iterable(several)))[-most:])


def fill_splits(highest: Mapping[str, Highest], splits: Mapping[str, int]) -> dict[str, str]:
    """Moves ids so that no split is empty.

    Args:
      highest: The highest ids that lie in each split by themselves; a split without one may be missing.
      splits: Hash buckets by name of split.

    Returns:
      The split of each id that moves; not enough of them where there are fewer ids than splits.
    """
    left = {split: list(highest.get(split, ())) for split in splits}
    moved = {}
    for empty in [split for split in splits if not left[split]]:
        donor = max(splits, key=lambda split: (len(left[split]), splits[split]))
        if len(left[donor]) < 2:
            break
        taken = left[donor].pop()
        moved[taken] = empty
        left[empty].append(taken)
    return moved
