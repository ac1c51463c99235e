"""Which split a song goes to.

The rule: the id of a song's group of near copies (its own where it has none) is a hash, which decides by the buckets of
the splits, 80/10/10. A split that would hold no window borrows the group of the highest or lowest id from the split
with the most to give, so three groups are enough; where there are fewer, songs are split one by one. A song keeps its
split when others are added, unless it is borrowed before or after, or a near copy with a lesser id is added.
"""

import bisect
import itertools
from collections.abc import Iterable, Mapping

Ends = tuple[str, ...]  # the lowest and the highest ids of a split, in order


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


def merge_ends(several: Iterable[Ends], most: int) -> Ends:
    """The lowest and the highest of the distinct ids in several tuples, at most `most` of each, in order."""
    ids = sorted(set(itertools.chain.from_iterable(several)))
    return tuple(ids if len(ids) <= 2 * most else ids[:most] + ids[-most:])


def fill_splits(ends: Mapping[str, Ends], splits: Mapping[str, int]) -> dict[str, str]:
    """Moves ids so that no split is empty.

    Args:
      ends: The lowest and highest ids that lie in each split by themselves; a split without one may be missing.
      splits: Hash buckets by name of split.

    Returns:
      The split of each id that moves; not enough of them where there are fewer ids than splits.
    """
    left = {split: list(ends.get(split, ())) for split in splits}
    moved = {}
    for number, empty in enumerate(splits):
        if left[empty]:
            continue
        donor = max(splits, key=lambda split: (len(left[split]), splits[split]))
        if len(left[donor]) < 2:
            break
        # From alternate ends, so that what one split borrows does not depend on whether another borrows, too.
        taken = left[donor].pop(-1 if number % 2 else 0)
        moved[taken] = empty
        left[empty].append(taken)
    return moved
