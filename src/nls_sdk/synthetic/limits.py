"""Modifiers about people, times, exclusions and how to search."""

from __future__ import annotations

from .wordings import Concept, concept

_DATES = "after before window"

_HISTORY = (
    concept("author", "person", "author:{x}", 21,
        """
        by {x}
        authored by {x}
        from {x}
        made by {x}
        that {x} made
        written by {x}
        of {x}
        whose author is {x}
        {x} wrote
        with author {x}
        done by {x}
        lead| looking at what {x} did,
        tail| author {x}
        """,
        """
        attributed to {x}
        pushed by {x}
        that came from {x}
        {x} is responsible for
        """, "not_author"),
    concept("not_author", "person", "-author:{x}", 21,
        """
        not by {x}
        not written by {x}
        by anyone except {x}
        by anybody but {x}
        not authored by {x}
        by someone other than {x}
        whose author is not {x}
        excluding those by {x}
        tail| except the ones by {x}
        tail| but nothing from {x}
        """,
        """
        by people besides {x}
        tail| leaving out the work of {x}
        """, "author"),
    concept("committer", "person", "committer:{x}", 22,
        """
        committed by {x}
        that {x} committed
        whose committer is {x}
        with {x} as the committer
        with committer {x}
        where {x} is the committer
        having {x} as committer
        where the committer is {x}
        tail| committer {x}
        tail| committed by {x}
        """,
        """
        for which {x} was the committer
        tail| the committer being {x}
        """, "author not_author"),
    concept("after", "date", "after:{x}", 23,
        """
        since {x}
        after {x}
        made after {x}
        newer than {x}
        from after {x}
        made since {x}
        later than {x}
        that happened after {x}
        starting from {x}
        lead| since {x},
        tail| since {x}
        tail| only after {x}
        """,
        """
        dated after {x}
        more recent than {x}
        {x} onwards
        """, _DATES),
    concept("window", "span", "after:{x}", 23,
        """
        in the last {x}
        from the last {x}
        over the last {x}
        during the last {x}
        in the past {x}
        from the past {x}
        within the last {x}
        made in the past {x}
        lead| in the last {x},
        lead| over the past {x},
        tail| last {x}
        tail| past {x} only
        """,
        """
        not older than {x}
        throughout the most recent {x}
        tail| going back {x}
        """, _DATES),
    concept("before", "date", "before:{x}", 24,
        """
        before {x}
        made before {x}
        until {x}
        older than {x}
        from before {x}
        earlier than {x}
        that happened before {x}
        up to {x}
        lead| before {x},
        tail| only before {x}
        tail| until {x}
        """,
        """
        dated before {x}
        prior to {x}
        preceding {x}
        """, _DATES),
    concept("message", "phrase word", "message:{x}", 25,
        """
        with the message {x}
        with {x} in the message
        whose message says {x}
        whose message mentions {x}
        that mention {x} in the message
        with a message containing {x}
        with message {x}
        where the message contains {x}
        having {x} in the commit message
        whose message contains {x}
        tail| message {x}
        tail| with {x} in the commit message
        """,
        """
        described in the message as {x}
        whose log text includes {x}
        """),
)  # fmt: skip

_HOW = (
    concept("not_term", "identifier word phrase", "NOT {x}", 31,
        """
        but not {x}
        without {x}
        excluding {x}
        and not {x}
        that do not mention {x}
        but without {x}
        not containing {x}
        minus {x}
        tail| but not {x}
        tail| except those with {x}
        tail| without the word {x}
        tail| no {x}
        """,
        """
        where {x} is absent
        lacking {x}
        tail| with {x} filtered out
        """),
    concept("case", "", "case:yes", 50,
        """
        with exact case
        matching case
        case sensitive
        case-sensitively
        tail| case sensitive
        tail| match case
        tail| case matters
        tail| with matching case
        tail| respecting case
        tail| exact case
        tail| make it case sensitive
        """,
        """
        tail| mind the upper and lower case
        tail| capitalisation matters
        """),
    concept("count", "count", "count:{x}", 60,
        """
        tail| {x} results
        tail| first {x} results
        tail| the first {x} results
        tail| at most {x} results
        tail| limit {x}
        tail| limit to {x} results
        tail| show {x} results
        tail| max {x}
        tail| up to {x} results
        tail| only {x} results
        tail| give me {x} results
        lead| give me at most {x} results,
        """,
        """
        tail| no need for more than {x} hits
        tail| no more than {x} matches
        """, "count_all"),
    concept("count_all", "", "count:all", 60,
        """
        tail| all results
        tail| all the results
        tail| every result
        tail| show all results
        tail| give me all results
        tail| I want all results
        tail| every single result
        tail| without a result limit
        tail| no limit on results
        tail| return all results
        """,
        """
        tail| as many hits as there are
        tail| the complete set of results
        """, "count"),
    concept("timeout", "time", "timeout:{x}", 61,
        """
        tail| timeout {x}
        tail| with a timeout of {x}
        tail| with a {x} timeout
        tail| give up after {x}
        tail| allow {x}
        tail| time out after {x}
        tail| stop after {x}
        tail| wait at most {x}
        tail| wait up to {x}
        tail| set the timeout to {x}
        tail| search for at most {x}
        """,
        """
        tail| abort once {x} have passed
        tail| taking no longer than {x}
        """),
)  # fmt: skip

LIMITS: tuple[Concept, ...] = _HISTORY + _HOW
"""Filters on who, when and how."""
