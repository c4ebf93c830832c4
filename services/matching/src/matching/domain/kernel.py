"""The hard rules and the score once more, compiled: one pass over a program's people for each decision.

`rules` and `score` say what holds, pair by pair or for many pairs at once; that is what people read, and what single
pairs are asked. Here stands the same for one person against all others, in machine code and without an array between
two steps: a decision takes microseconds. A test holds the two against each other. All arithmetic is on integers, but
for one division that both do alike.

Compiled at import and kept in numba's cache where there is a place for it (beside this file, or in NUMBA_CACHE_DIR).
All of it is one file, long as that is: numba looks only at the file that a function stands in to see whether what it
kept is stale, so neither a function nor a constant may come from another one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

FunctionT = TypeVar("FunctionT", bound=Callable[..., Any])

# Columns of the table of facts. What changes with matches and waiting comes first: a profile is written over the rest.
LIVE, FREE, FREE_SINCE, WAITING, WAITING_SINCE, KNOWN = range(6)
PROFILE: Final = 6
ID_HIGH, ID_LOW, MENTOR, CAPACITY, PERSON, ORGANISATION, STYLE, INDUSTRY, SENIORITY, OFFERED, WANTED = range(6, 17)
OFFSET: Final = 17  # minutes ahead of UTC
SIZES: Final = 18  # of the five sets of tags, in the order of TAGS
MANAGERS: Final = 23
MANAGERS_WIDTH: Final = 10
HOURS: Final = 33
HOURS_WIDTH: Final = 11
FIXED: Final = 44
# The sets of tags and then the levels of skills, whose widths grow; their offsets and widths lead the rulebook.
LANGUAGES, CREDENTIALS, GOALS, INTERESTS, VALUES, OFFERS, WANTS = range(7)
REGIONS: Final = 7
# The rulebook: offsets and widths of the regions, then the policy, then the words of the credentials that it asks of
# mentors and, as many, of mentees.
SHARE_LANGUAGE, COMMON_MINUTES, ORGANISATIONS, BOSS_LEVELS, SAME_BOSS, LEAST_GAP, MOST_GAP = range(14, 21)
RARE_RULES, LEAST_POINTS, WEIGHTS = 21, 22, 23
FACET_COUNT: Final = 9
NEEDED: Final = WEIGHTS + FACET_COUNT
ANY_ORGANISATION, SAME_ORGANISATION, OTHER_ORGANISATION = range(3)
# Places of the rules in `rules.RULES`; what a pair breaks first is told by them. OK: it breaks none.
ROLE, SAME, ORGANISATION_RULE, CREDENTIALS_RULE, MENTEE_CREDENTIALS, LANGUAGE_RULE, TIME, GAP = range(8)
LINE, BOSS, BLOCK, FORMER, MINIMUM, FULL = range(8, 14)
OK: Final = -1
RULE_COUNT: Final = 14

# Counts that lead a profile as numbers; see `write_profile`.
PROFILE_COUNTS: Final = 10

_SLOT_MINUTES: Final = 15
_DAY_MINUTES: Final = 24 * 60
_SLOTS: Final = 7 * _DAY_MINUTES // _SLOT_MINUTES
_ENOUGH_MINUTES: Final = 240
_FARTHEST_MINUTES: Final = 720
_SIGN: Final = -(1 << 63)
# Quarters for 10 steps below to 10 above, as in `score`.
_SENIORITY_QUARTERS: Final = (0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 4, 4, 4, 4, 3, 2, 1, 1, 1, 1)


def _compiled(function: FunctionT) -> FunctionT:
    compiled: Any
    try:
        compiled = njit(cache=True, error_model="numpy")(function)
    except RuntimeError:  # no place where a cache may be written: it compiles at each start
        compiled = njit(error_model="numpy")(function)
    return cast("FunctionT", compiled)


def _count_bits(typing_context: Any, word: Any) -> Any:
    """How many bits of a word are set: one instruction, which numba has no name for."""
    return types.int64(types.int64), lambda context, builder, signature, words: builder.ctpop(words[0])


_bits: Final[Any] = intrinsic(_count_bits)


@_compiled
def _common_bits(table: Any, left: Any, right: Any, offset: Any, width: Any) -> Any:
    count = 0
    for column in range(offset, offset + width):
        count += _bits(table[left, column] & table[right, column])
    return count


@_compiled
def _shares_language(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    if book[SHARE_LANGUAGE] == 0:
        return True
    offset = book[2 * LANGUAGES]
    for column in range(offset, offset + book[2 * LANGUAGES + 1]):
        if table[mentor, column] & table[mentee, column]:
            return True
    return False


@_compiled
def _shares_time(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    least = book[COMMON_MINUTES]
    return least == 0 or _common_bits(table, mentor, mentee, HOURS, HOURS_WIDTH) * _SLOT_MINUTES >= least


@_compiled
def _right_organisations(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    asked = book[ORGANISATIONS]
    if asked == ANY_ORGANISATION:
        return True
    return (table[mentor, ORGANISATION] == table[mentee, ORGANISATION]) == (asked == SAME_ORGANISATION)


@_compiled
def _holds_credentials(table: Any, row: Any, book: Any, first: Any) -> Any:
    """`first`: where in the rulebook the words of what is asked begin."""
    offset = book[2 * CREDENTIALS]
    for word in range(book[2 * CREDENTIALS + 1]):
        needed = book[first + word]
        if table[row, offset + word] & needed != needed:
            return False
    return True


@_compiled
def _mentor_holds(table: Any, mentor: Any, book: Any) -> Any:
    return _holds_credentials(table, mentor, book, NEEDED)


@_compiled
def _mentee_holds(table: Any, mentee: Any, book: Any) -> Any:
    return _holds_credentials(table, mentee, book, NEEDED + book[2 * CREDENTIALS + 1])


@_compiled
def _right_gap(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    above, below = table[mentor, SENIORITY], table[mentee, SENIORITY]
    return above == 0 or below == 0 or (above - below >= book[LEAST_GAP] and above - below <= book[MOST_GAP])


@_compiled
def _line_between(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    above, below = table[mentor, PERSON], table[mentee, PERSON]
    for column in range(MANAGERS, MANAGERS + book[BOSS_LEVELS]):
        if table[mentee, column] == above or table[mentor, column] == below:
            return True
    return False


@_compiled
def _under_one_boss(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    if book[SAME_BOSS]:
        return False
    return table[mentor, MANAGERS] >= 0 and table[mentor, MANAGERS] == table[mentee, MANAGERS]


@_compiled
def _among(person: Any, persons: Any) -> Any:
    for each in persons:  # noqa: SIM110 - numba compiles no generator
        if each == person:
            return True
    return False


@_compiled
def _equal(mine: Any, theirs: Any, weight: Any) -> Any:
    if mine < 0 or theirs < 0:
        return weight // 2
    return weight if mine == theirs else 0


@_compiled
def _nearness(table: Any, mentor: Any, mentee: Any, weight: Any) -> Any:
    apart = min(abs(table[mentor, OFFSET] - table[mentee, OFFSET]), _FARTHEST_MINUTES)
    return weight * (_FARTHEST_MINUTES - apart) // _FARTHEST_MINUTES


@_compiled
def _words_in_use(table: Any, row: Any, offset: Any, width: Any) -> Any:
    """Which words of a region of one row are not 0: levels are wide with a vocabulary and hold few skills each."""
    used = np.empty(width, np.int64)
    count = 0
    for word in range(width):
        if table[row, offset + word]:
            used[count] = word
            count += 1
    return used[:count]


@_compiled
def _words_wanted(table: Any, mentee: Any, book: Any) -> Any:
    return _words_in_use(table, mentee, book[2 * WANTS], book[2 * WANTS + 1])


@_compiled
def _covered(table: Any, mentor: Any, mentee: Any, book: Any, words: Any) -> Any:
    """The sum, over the skills wanted, of the lower of wanted and offered level."""
    covered = 0
    offers, wants = book[2 * OFFERS], book[2 * WANTS]
    for word in words:
        asked, offered = table[mentee, wants + word], table[mentor, offers + word]
        if asked and offered:
            for _ in range(8):
                covered += min(asked & 0xFF, offered & 0xFF)
                asked >>= 8
                offered >>= 8
    return covered


@_compiled
def score_pair(table: Any, mentor: Any, mentee: Any, book: Any, points: Any) -> Any:
    """Put the points of each facet into `points`, in the order of `score.FACETS`; returns their sum."""
    return _score(table, mentor, mentee, book, points, _words_wanted(table, mentee, book))


@_compiled
def _score(table: Any, mentor: Any, mentee: Any, book: Any, points: Any, words: Any) -> Any:
    """The score of a pair. `words`: those of the levels beyond which one of the two has none."""
    weight = book[WEIGHTS]
    points[0] = 0
    if weight:
        wanted = table[mentee, WANTED]
        if wanted > 0 and table[mentor, OFFERED] > 0:
            points[0] = weight * _covered(table, mentor, mentee, book, words) // wanted
        else:
            points[0] = weight // 4
    for facet in range(1, 4):
        weight = book[WEIGHTS + facet]
        points[facet] = 0
        if weight:
            region = GOALS + facet - 1
            mine, theirs = table[mentor, SIZES + region], table[mentee, SIZES + region]
            if mine > 0 and theirs > 0:
                common = _common_bits(table, mentor, mentee, book[2 * region], book[2 * region + 1])
                points[facet] = weight * common // (mine + theirs - common)
            else:
                points[facet] = weight // 4
    points[4] = _equal(table[mentor, STYLE], table[mentee, STYLE], book[WEIGHTS + 4])
    points[5] = _equal(table[mentor, INDUSTRY], table[mentee, INDUSTRY], book[WEIGHTS + 5])
    above, below = table[mentor, SENIORITY], table[mentee, SENIORITY]
    quarters = _SENIORITY_QUARTERS[above - below + 10] if above > 0 and below > 0 else 2
    points[6] = book[WEIGHTS + 6] * quarters // 4
    weight = book[WEIGHTS + 7]
    points[7] = 0
    if weight:
        minutes = _common_bits(table, mentor, mentee, HOURS, HOURS_WIDTH) * _SLOT_MINUTES
        points[7] = weight * min(minutes, _ENOUGH_MINUTES) // _ENOUGH_MINUTES
    weight = book[WEIGHTS + 8]
    points[8] = _nearness(table, mentor, mentee, weight) if weight else 0
    total = 0
    for facet in range(FACET_COUNT):
        total += points[facet]
    return total


@_compiled
def common_minutes(table: Any, left: Any, right: Any) -> Any:
    """Minutes of the week that two rows share."""
    return _common_bits(table, left, right, HOURS, HOURS_WIDTH) * _SLOT_MINUTES


@_compiled
def _broken_rarely(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    """The rules that few policies use: others do not pay for them."""
    if not _mentee_holds(table, mentee, book):
        return MENTEE_CREDENTIALS
    if not _right_gap(table, mentor, mentee, book):
        return GAP
    return BOSS if _under_one_boss(table, mentor, mentee, book) else OK


@_compiled
def _broken_for(table: Any, mentor: Any, mentee: Any, book: Any, other: Any, blocked: Any, paired: Any) -> Any:
    """The first rule, the cheap and selective ones first, that keeps a mentor and a mentee apart.

    `other` is the person code of the one who is held against the person whose `blocked` and `paired` these are.
    """
    if not _shares_language(table, mentor, mentee, book):
        return LANGUAGE_RULE
    if not _shares_time(table, mentor, mentee, book):
        return TIME
    if table[mentor, PERSON] == table[mentee, PERSON]:
        return SAME
    if not _right_organisations(table, mentor, mentee, book):
        return ORGANISATION_RULE
    if not _mentor_holds(table, mentor, book):
        return CREDENTIALS_RULE
    if _line_between(table, mentor, mentee, book):
        return LINE
    if book[RARE_RULES]:
        broken = _broken_rarely(table, mentor, mentee, book)
        if broken != OK:
            return broken
    if _among(other, blocked):
        return BLOCK
    if _among(other, paired):
        return FORMER
    return OK


@_compiled
def _goes_first(table: Any, one: Any, other: Any) -> Any:
    """Of two mentors who fit equally well: less of their capacity in use, longer alone, lower id."""
    mine, theirs = table[one, LIVE] / table[one, CAPACITY], table[other, LIVE] / table[other, CAPACITY]
    if mine != theirs:
        return mine < theirs
    if table[one, FREE_SINCE] != table[other, FREE_SINCE]:
        return table[one, FREE_SINCE] < table[other, FREE_SINCE]
    return _lower_id(table, one, other)


@_compiled
def _lower_id(table: Any, one: Any, other: Any) -> Any:
    # As unsigned numbers: turning the sign over keeps their order.
    mine, theirs = table[one, ID_HIGH] ^ _SIGN, table[other, ID_HIGH] ^ _SIGN
    if mine != theirs:
        return mine < theirs
    return (table[one, ID_LOW] ^ _SIGN) < (table[other, ID_LOW] ^ _SIGN)


@_compiled
def look_for_mentor(
    table: Any,
    free: Any,
    free_count: Any,
    mentors: Any,
    mentor_count: Any,
    mentee: Any,
    book: Any,
    blocked: Any,
    paired: Any,
    points: Any,
    removed: Any,
) -> Any:
    """`find_mentor` among the free ones, and where nobody fits `count_reasons` over all mentors."""
    best = find_mentor(table, free, free_count, mentee, book, blocked, paired, points)
    if best < 0:
        count_reasons(table, mentors, mentor_count, mentee, book, blocked, paired, points, removed)
    return best


@_compiled
def find_mentor(
    table: Any, rows: Any, count: Any, mentee: Any, book: Any, blocked: Any, paired: Any, points: Any
) -> Any:
    """The row, of the first `count` in `rows`, of the mentor who fits the mentee best; OK (-1) where nobody does.

    `points` then has the facets of the pair. `blocked` and `paired` are person codes kept from the mentee.
    """
    best, best_total = -1, book[LEAST_POINTS] - 1
    words = _words_wanted(table, mentee, book)
    for place in range(count):
        mentor = rows[place]
        if _broken_for(table, mentor, mentee, book, table[mentor, PERSON], blocked, paired) != OK:
            continue
        total = _score(table, mentor, mentee, book, points, words)
        if total > best_total or (best >= 0 and total == best_total and _goes_first(table, mentor, best)):
            best, best_total = mentor, total
    if best >= 0:
        _score(table, best, mentee, book, points, words)
    return best


@_compiled
def _first_broken(table: Any, mentor: Any, mentee: Any, book: Any) -> Any:
    """The first rule, in the order of `rules.RULES`, that the columns of the two break."""
    if table[mentor, PERSON] == table[mentee, PERSON]:
        return SAME
    if not _right_organisations(table, mentor, mentee, book):
        return ORGANISATION_RULE
    if not _mentor_holds(table, mentor, book):
        return CREDENTIALS_RULE
    if not _mentee_holds(table, mentee, book):
        return MENTEE_CREDENTIALS
    if not _shares_language(table, mentor, mentee, book):
        return LANGUAGE_RULE
    if not _shares_time(table, mentor, mentee, book):
        return TIME
    if not _right_gap(table, mentor, mentee, book):
        return GAP
    if _line_between(table, mentor, mentee, book):
        return LINE
    return BOSS if _under_one_boss(table, mentor, mentee, book) else OK


@_compiled
def count_reasons(
    table: Any, rows: Any, count: Any, mentee: Any, book: Any, blocked: Any, paired: Any, points: Any, removed: Any
) -> None:
    """Put into `removed`, by place of the rule, how many of the mentors each rule is the first to remove."""
    removed[:] = 0
    for place in range(count):
        mentor = rows[place]
        broken = _first_broken(table, mentor, mentee, book)
        if broken == OK:
            person = table[mentor, PERSON]
            if _among(person, blocked):
                broken = BLOCK
            elif _among(person, paired):
                broken = FORMER
            elif book[LEAST_POINTS] > 0 and score_pair(table, mentor, mentee, book, points) < book[LEAST_POINTS]:
                broken = MINIMUM
            elif table[mentor, FREE] <= 0:
                broken = FULL
        if broken != OK:
            removed[broken] += 1


@_compiled
def _waits_before(table: Any, one: Any, other: Any, mine: Any, theirs: Any) -> Any:
    """Of two mentees who fit: longer waiting, better score, lower id."""
    if table[one, WAITING_SINCE] != table[other, WAITING_SINCE]:
        return table[one, WAITING_SINCE] < table[other, WAITING_SINCE]
    if mine != theirs:
        return mine > theirs
    return _lower_id(table, one, other)


@_compiled
def find_mentees(
    table: Any,
    rows: Any,
    count: Any,
    mentor: Any,
    book: Any,
    blocked: Any,
    paired: Any,
    points: Any,
    places: Any,
    fits: Any,
    totals: Any,
    untold: Any,
) -> Any:
    """Of the waiting mentees, those who fit the mentor and come first, at most `places`, in order, into `fits`.

    Into `untold` go those for whom what is in the way is new. Returns how many fit and how many are untold. `fits`,
    `totals` and `untold` have room for `count` rows.
    """
    fitting = told = 0
    words = _words_in_use(table, mentor, book[2 * OFFERS], book[2 * OFFERS + 1])
    for place in range(count):
        mentee = rows[place]
        broken = _broken_for(table, mentor, mentee, book, table[mentee, PERSON], blocked, paired)
        if broken == OK:
            total = _score(table, mentor, mentee, book, points, words)
            if total >= book[LEAST_POINTS]:
                fits[fitting], totals[fitting] = mentee, total
                fitting += 1
                continue
            broken = MINIMUM
        if table[mentee, KNOWN] & (1 << broken) == 0:
            untold[told] = mentee
            told += 1
    taken = min(places, fitting)
    for place in range(taken):
        first = place
        for other in range(place + 1, fitting):
            if _waits_before(table, fits[other], fits[first], totals[other], totals[first]):
                first = other
        fits[place], fits[first] = fits[first], fits[place]
        totals[place], totals[first] = totals[first], totals[place]
    for place in range(taken, fitting):
        if table[fits[place], KNOWN] & (1 << FULL) == 0:
            untold[told] = fits[place]
            told += 1
    return taken, told


@_compiled
def _peers_apart(table: Any, one: Any, other: Any, book: Any, blocked: Any, paired: Any) -> Any:
    """The first rule about facts, in the order of `rules.RULES`, that two peers break one way round or the other.

    `blocked` and `paired` are person codes kept from the first of them.
    """
    if table[one, MENTOR] == 0 or table[other, MENTOR] == 0:
        return ROLE
    if table[one, PERSON] == table[other, PERSON]:
        return SAME
    if not _right_organisations(table, one, other, book):
        return ORGANISATION_RULE
    if not (_mentor_holds(table, one, book) and _mentor_holds(table, other, book)):
        return CREDENTIALS_RULE
    if not (_mentee_holds(table, one, book) and _mentee_holds(table, other, book)):
        return MENTEE_CREDENTIALS
    if not _shares_language(table, one, other, book):
        return LANGUAGE_RULE
    if not _shares_time(table, one, other, book):
        return TIME
    if not (_right_gap(table, one, other, book) and _right_gap(table, other, one, book)):
        return GAP
    if _line_between(table, one, other, book):
        return LINE
    if _under_one_boss(table, one, other, book):
        return BOSS
    if _among(table[other, PERSON], blocked):
        return BLOCK
    return FORMER if _among(table[other, PERSON], paired) else OK


@_compiled
def _score_peers(table: Any, one: Any, other: Any, book: Any, points: Any, back: Any, wanted: Any, offered: Any) -> Any:
    """Put into `points`, by facet, half of what the two are worth both ways round; returns their sum.

    `wanted` and `offered`: the words of the first one's levels that are not 0. `back` is room to count in.
    """
    _score(table, other, one, book, points, wanted)
    _score(table, one, other, book, back, offered)
    total = 0
    for facet in range(FACET_COUNT):
        points[facet] = (points[facet] + back[facet]) // 2
        total += points[facet]
    return total


@_compiled
def _takes_part(table: Any, peer: Any) -> Any:
    """Has no partner, and does not pause."""
    return table[peer, LIVE] == 0 and table[peer, CAPACITY] > 0


@_compiled
def _look_at_peers(
    table: Any,
    rows: Any,
    count: Any,
    peer: Any,
    book: Any,
    blocked: Any,
    paired: Any,
    points: Any,
    removed: Any,
    waiting: Any,
) -> Any:
    best, least = -1, book[LEAST_POINTS]
    best_total = least - 1
    free = _takes_part(table, peer)
    back = np.empty(FACET_COUNT, np.int64)
    wanted = _words_wanted(table, peer, book)
    offered = _words_in_use(table, peer, book[2 * OFFERS], book[2 * OFFERS + 1])
    for place in range(count):
        other = rows[place]
        if other == peer or (table[other, WAITING] != 0) != waiting:
            continue
        broken = _peers_apart(table, peer, other, book, blocked, paired)
        if broken == OK:
            takes_part = free and _takes_part(table, other)
            total = least
            if least > 0 or takes_part:
                total = _score_peers(table, peer, other, book, points, back, wanted, offered)
            if total < least:
                broken = MINIMUM
            elif not takes_part:
                broken = FULL
            elif total > best_total or (
                best >= 0 and total == best_total and _waits_before(table, other, best, total, best_total)
            ):
                best, best_total = other, total
        if broken != OK:
            removed[broken] += 1
    if best >= 0:
        _score_peers(table, peer, best, book, points, back, wanted, offered)
    return best


@_compiled
def find_partner(
    table: Any, rows: Any, count: Any, peer: Any, book: Any, blocked: Any, paired: Any, points: Any, removed: Any
) -> Any:
    """The row, of the first `count` waiting ones in `rows`, of who fits the peer best; OK (-1) where nobody does.

    Of equally good ones who waits longest, then the lowest id. `points` then has the facets of the pair. To `removed`,
    by place of the rule, is added how many of them each rule is the first to remove.
    """
    return _look_at_peers(table, rows, count, peer, book, blocked, paired, points, removed, True)


@_compiled
def count_partners(
    table: Any, rows: Any, count: Any, peer: Any, book: Any, blocked: Any, paired: Any, points: Any, removed: Any
) -> None:
    """Add to `removed` how many each rule is the first to remove of those of the rows who do not wait."""
    _look_at_peers(table, rows, count, peer, book, blocked, paired, points, removed, False)


@_compiled
def _write_levels(table: Any, row: Any, first: Any, width: Any, numbers: Any, place: Any, exact: Any, near: Any) -> Any:
    """Levels by skill: `exact` pairs of code and level, then `near` ones, which count for what is not among the first.

    Of a skill named twice the higher level counts. Returns their sum; OK (-1) where the region is too narrow.
    """
    total = 0
    for pair in range(exact + near):
        code, level = numbers[place + 2 * pair], numbers[place + 2 * pair + 1]
        if code >= 8 * width:
            return OK
        if pair >= exact:
            said = False
            for other in range(exact):
                said = said or numbers[place + 2 * other] == code
            if said:
                continue
        word, shift = first + (code >> 3), 8 * (code & 7)
        before = (table[row, word] >> shift) & 0xFF
        if level > before:
            table[row, word] += (level - before) << shift
            total += level - before
    return total


@_compiled
def write_profile(table: Any, row: Any, regions: Any, numbers: Any) -> Any:
    """Write a profile over what the row has from PROFILE on. Returns the region that is too narrow; OK (-1) for none.

    `numbers`: the columns from ID_HIGH to SENIORITY; OFFSET; how many tags each of the five sets has, how many skills
    are offered, near to those and wanted, how many intervals of the week and managers there are; and then all of these:
    tags and managers as codes, skills as code and level, intervals as weekday, first and last minute in local time.
    """
    table[row, HOURS:] = 0
    for column in range(ID_HIGH, SENIORITY + 1):
        table[row, column] = numbers[column - ID_HIGH]
    offset = numbers[OFFERED - ID_HIGH]
    table[row, OFFSET] = offset
    counts = OFFERED - ID_HIGH + 1
    place = counts + PROFILE_COUNTS
    for region in range(OFFERS):
        first, width = regions[2 * region], regions[2 * region + 1]
        for each in range(place, place + numbers[counts + region]):
            code = numbers[each]
            if code >= 64 * width:
                return region
            table[row, first + (code >> 6)] |= 1 << (code & 63)
        place += numbers[counts + region]
        table[row, SIZES + region] = _common_bits(table, row, row, first, width)
    offered, near, wanted = numbers[counts + 5], numbers[counts + 6], numbers[counts + 7]
    first, width = regions[2 * OFFERS], regions[2 * OFFERS + 1]
    table[row, OFFERED] = _write_levels(table, row, first, width, numbers, place, offered, near)
    place += 2 * (offered + near)
    first, width = regions[2 * WANTS], regions[2 * WANTS + 1]
    table[row, WANTED] = _write_levels(table, row, first, width, numbers, place, wanted, 0)
    if table[row, OFFERED] < 0 or table[row, WANTED] < 0:
        return OFFERS
    place += 2 * wanted
    for _ in range(numbers[counts + 8]):
        midnight = (numbers[place] - 1) * _DAY_MINUTES - offset
        for slot in range(
            -(-(midnight + numbers[place + 1]) // _SLOT_MINUTES), (midnight + numbers[place + 2]) // _SLOT_MINUTES
        ):
            bit = slot % _SLOTS  # what passes Sunday midnight comes round to Monday
            table[row, HOURS + (bit >> 6)] |= 1 << (bit & 63)
        place += 3
    managers = numbers[counts + 9]
    for each in range(MANAGERS_WIDTH):
        table[row, MANAGERS + each] = numbers[place + each] if each < managers else -1
    return OK


def compile_now() -> None:
    """Compile, or load from the cache, what a decision calls: before the first event, not in it."""
    table, rows, none = np.zeros((1, FIXED + REGIONS), np.int64), np.zeros(1, np.int64), np.zeros(0, np.int64)
    book, points = np.zeros(NEEDED, np.int64), np.zeros(FACET_COUNT, np.int64)
    find_mentor(table, rows, 0, 0, book, none, none, points)
    removed = np.zeros(RULE_COUNT, np.int64)
    count_reasons(table, rows, 0, 0, book, none, none, points, removed)
    look_for_mentor(table, rows, 0, rows, 0, 0, book, none, none, points, removed)
    write_profile(table, 0, np.zeros(2 * REGIONS, np.int64), np.zeros(OFFERED + PROFILE_COUNTS, np.int64))
    find_mentees(table, rows, 0, 0, book, none, none, points, 0, rows, rows, rows)
    for look in (find_partner, count_partners):
        look(table, rows, 0, 0, book, none, none, points, removed)
    score_pair(table, 0, 0, book, points)
    common_minutes(table, 0, 0)
