"""Names and values the questions talk about, each pool cut into a seen and a held-out part.

Everything is invented or generic. A held-out value never occurs in a training row, neither in the
question nor in the query; `tests/test_synthetic.py` proves it.
"""

from __future__ import annotations

import random

from attrs import frozen


@frozen
class Value:
    """One value in its two spellings.

    Attributes:
        text: as the question says it.
        query: as the query says it.
    """

    text: str
    query: str


@frozen
class Pool:
    """The values of one kind.

    Attributes:
        name: the kind, such as ``"repo"``.
        seen: values training may use.
        held: values only validation uses.
    """

    name: str
    seen: tuple[Value, ...]
    held: tuple[Value, ...]

    def pick(self, rng: random.Random, held: bool) -> Value:
        """Draws one value from the held-out part when ``held``, otherwise from the seen part."""
        return rng.choice(self.held if held else self.seen)


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


def _same(values: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(Value(v, v) for v in values)


def _quoted(values: tuple[str, ...]) -> tuple[Value, ...]:
    """Filter values: quoted in the query when they hold a space."""
    return tuple(Value(v, f'"{v}"' if " " in v else v) for v in values)


def _mix(seed: str, *parts: tuple[str, ...], sep: str, count: int) -> tuple[str, ...]:
    """A fixed sample of the combinations of ``parts``, the same on every machine."""
    rng = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        found[sep.join(rng.choice(p) for p in parts)] = None
    return tuple(found)


_ORGS = _words(
    "acme northwind bluefin tidepool redwood lanterna quarry hexworks openloom brightside maplelab"
    " ironbridge skylark cobalt driftwood fernhill granite harborlight inkwell junebug kestrel"
)
_ORGS_HELD = _words("zephyrine ottercove palisade umbra wrenfield vortexa")
_PROJECTS = _words(
    "billing checkout gateway ledger scheduler mailer inventory catalog uploader renderer dashboard"
    " notifier crawler indexer tokenizer pipeline identity profile rating payments shipping invoice"
    " webhooks telemetry archive-store storefront mobile-app web-client api-server data-lake"
    " ml-models infra-tools design-kit search-core event-bus feature-flags rate-limiter chat-bot"
    " job-queue sso-proxy"
)
_PROJECTS_HELD = _words(
    "beekeeper almanac sandcastle moonraker tollbooth pantry-kit weather-vane orrery quillpen"
    " river-map stargazer-ui clockface"
)

_FIRST = _words(
    "alice bruno carla dmitri elena farid greta hugo ines jonas keiko liam marta nadia oscar priya"
    " quentin rosa stefan tomas ursula viktor wendy xavier yasmin zoltan amara boris chloe diego"
    " esther felix hana igor julia karim lena milan nora pavel"
)
_FIRST_HELD = _words("beatrix caspian delphine emeka florian gwendolyn ignatius jocasta lubomir")
_LAST = _words(
    "Moreno Whitfield Okafor Lindqvist Tanaka Petrov Castellano Novak Haddad Brennan Fischer Sato"
    " Almeida Kowalski Reyes Dubois Larsen Mbeki Rossi Varga"
)
_LAST_HELD = _words("Abernathy Bjornstad Quispe Vandermeer Yilmaz Zielinski")


def _people(first: tuple[str, ...], last: tuple[str, ...], count: int) -> tuple[Value, ...]:
    full = _mix("people", tuple(f.capitalize() for f in first), last, sep=" ", count=count)
    handles = _mix("handles", first, tuple(n[0].lower() for n in last), sep="-", count=count // 2)
    return _quoted(first + full + handles)


_VERBS = _words(
    "parse load save fetch build render send check create update delete open close read write merge"
    " split encode decode start stop validate resolve init handle format convert copy register get"
    " set sort flush attach compute"
)
_VERBS_HELD = _words("unwrap drain rotate prune hydrate clamp stitch")
_NOUNS = _words(
    "config user token session request response header buffer cache client server record invoice"
    " order queue stream socket template schema payload cursor window batch index handler worker"
    " route account password email image report job task node tree event metric"
)
_NOUNS_HELD = _words("voucher ticket sensor lattice manifest beacon parcel widget")


def _identifiers(verbs: tuple[str, ...], nouns: tuple[str, ...], each: int) -> tuple[str, ...]:
    caps = tuple(n.capitalize() for n in nouns)
    suffix = _words("Manager Service Factory Client Error Builder Store Reader Writer Options")
    shapes = (
        _mix("camel", verbs, caps, sep="", count=each),
        _mix("snake", verbs, nouns, sep="_", count=each),
        _mix("pascal", tuple(v.capitalize() for v in verbs), caps, sep="", count=each // 2),
        _mix("type", caps, suffix, sep="", count=each // 2),
        tuple(s.upper() for s in _mix("const", ("max", "min", "default"), nouns, sep="_", count=8)),
    )
    return tuple(name for shape in shapes for name in shape)


_TERM_WORDS = _words(
    "retry deadlock pagination oauth webhook latency mutex checksum sandbox throttle backoff redis"
    " kafka postgres websocket tracing bootstrap rollback snapshot sharding gzip locale currency"
    " timezone cron debounce serializer middleware singleton iterator heartbeat failover quota"
    " tenant billing analytics deprecated hotfix goroutine promise lambda struct enum wildcard"
)
_TERM_WORDS_HELD = _words(
    "heapdump bloomfilter jitter backpressure tombstone quorum watermark zstd coroutine idempotent"
)
_PHRASE_A = _words("connection invalid missing failed unexpected unknown slow broken duplicate")
_PHRASE_B = _words("token request user response session value header socket payload record")
_PHRASE_C = _words("error refused expired detected timeout rejected found ignored")
_PHRASE_A_HELD = _words("corrupted stale orphaned malformed unreachable")
_PHRASE_B_HELD = _words("ledger replica certificate envelope shard")
_PHRASE_C_HELD = _words("discarded warning overflow mismatch")


def _phrases(a: tuple[str, ...], b: tuple[str, ...], c: tuple[str, ...], n: int) -> tuple[str, ...]:
    return _mix("pair", a, b, sep=" ", count=n // 3) + _mix("triple", a, b, c, sep=" ", count=n)


_SNIPPETS = (
    "fmt.Errorf(", "std::vector", "console.log(", "import os", "kind: Deployment", "TODO: fix",
    "except Exception:", "async def", "return nil", "a := 1", "os.path.join(", "if err != nil",
    "public static void", "new Date()", "setTimeout(", "SELECT *", "std::move", "logger.debug(",
    "FROM alpine:3", "image: nginx", "raise ValueError", "await fetch(", "JSON.parse(", "x == y",
)  # fmt: skip
_SNIPPETS_HELD = (
    "log.Fatalf(", "std::mutex", "process.exit(", "apiVersion: v1", "FIXME: later", "sys.argv[1]",
    "catch (Throwable", "yield from",
)  # fmt: skip
_REGEXES = (
    r"/err(or)?s?/", r"/v\d+\.\d+/", r"/get[A-Z]\w+/", r"/foo.*bar/", r"/^import /", r"/\bTODO\b/",
    r"/[a-z]+_id/", r"/user\d+/", r"/fail(ed|ure)/", r"/^def \w+/", r"/api_key=\w+/", r"/\.then\(/",
    r"/catch\s*\(/", r"/0x[0-9a-f]+/", r"/colou?r/", r"/log(ger)?\.warn/", r"/^func Test/",
    r"/sleep\(\d+\)/", r"/\w+Error$/", r"/http.*timeout/",
)  # fmt: skip
_REGEXES_HELD = (
    r"/set[A-Z]\w+/", r"/gr[ae]y/", r"/port=\d+/", r"/^class \w+/", r"/retr(y|ies)/", r"/\w+_at$/",
    r"/warn(ing)?s?/",
)  # fmt: skip
_BARE_REGEXES = (
    r"err(or)?s", r"get\w+Id", r"v\d+", r"foo.*bar", r"colou?r", r"fail(ed|ure)", r"\bTODO\b",
    r"user_\d+", r"[a-z]+_id", r"^import", r"log(ger)?", r"test.+case",
)  # fmt: skip
_BARE_REGEXES_HELD = (r"set\w+Name", r"gr[ae]y", r"port\d+", r"retr(y|ies)", r"node.*leaf")

_DIRS = _words(
    "src/auth src/api lib/core pkg/storage internal/db cmd/server web/components app/models"
    " services/mail docs/guides scripts/deploy config/prod client/src server/routes tools/lint"
    " core/engine ui/forms backend/jobs frontend/pages vendor examples migrations third_party assets"
    " plugins deploy generated fixtures packages/shared infra/network"
)
_DIRS_HELD = _words("src/kitchen lib/gravity pkg/lantern internal/hangar stubs web/harbor attic")
_EXTENSIONS = _words(".yaml .json .toml .md .go .py .ts .tsx .proto .sql .sh .html .css .xml .gradle")
_EXTENSIONS_HELD = _words(".graphql .ini .svelte .tf")
_FILES = _words(
    "config.go main.py index.ts settings.yaml routes.rb server.js utils.py Dockerfile Makefile"
    " package.json schema.sql handler.go App.tsx models.py README.md go.mod Cargo.toml build.gradle"
    " client.rs auth.ts webpack.config.js requirements.txt Jenkinsfile app.module.ts"
)
_FILES_HELD = _words("lexer.go Procfile teapot.py pom.xml Gemfile banner.tsx kettle.rs")
_LANGUAGES = (
    "Python", "Go", "TypeScript", "JavaScript", "Java", "Rust", "Ruby", "C++", "C#", "PHP",
    "Kotlin", "Swift", "Scala", "Perl", "Lua", "Dart", "R", "Julia", "YAML", "SQL", "CSS", "C",
)  # fmt: skip
_LANGUAGES_HELD = ("Haskell", "Elixir", "Erlang", "OCaml", "Clojure")
_BRANCHES = _words(
    "develop staging release-2.4 release-3.0 v1.2.0 v4.8.1 next hotfix-login feature-search beta"
    " stable production 5.x canary nightly integration"
)
_BRANCHES_HELD = _words("release-9.7 v7.3.5 spike-cache preview gold")
_CONTEXTS = _words("@alice @bruno-k @dana backend-team mobile-squad data-eng platform web-guild")
_CONTEXTS_HELD = _words("@ottokar kiosk-crew @zuzanna")
_TOPICS = _words("compiler graphics security networking machine-learning cli game database parser")
_TOPICS_HELD = _words("robotics genomics cartography")
_OWNERS = _words("platform-team @elena @release-bots security-crew @hugo frontend-guild @sre-desk")
_OWNERS_HELD = _words("@gwendolyn kiosk-owners @foxglove")

_DATES = (
    "2024-03-01", "2023-11-15", "2022-07-30", "2024-12-24", "2025-02-10", "2021-05-05",
    "2023-01-01", "2020-09-18", "2025-06-30", "2 weeks ago", "3 days ago", "6 months ago",
    "last monday", "last friday", "yesterday", "1 year ago", "last month", "10 days ago",
    "january 5 2024", "march 12 2023", "october 1 2022", "last week", "last year",
)  # fmt: skip
_DATES_HELD = (
    "2019-04-27", "2026-08-09", "7 weeks ago", "11 months ago", "last thursday", "june 21 2019",
)  # fmt: skip
_SPANS = (
    "2 weeks", "3 days", "6 months", "10 days", "4 months", "5 weeks", "24 hours", "2 years",
    "12 hours", "30 days", "3 months", "90 days",
)  # fmt: skip
_SPANS_HELD = ("7 weeks", "45 days", "11 months", "36 hours")
_COUNTS = _words("5 10 15 20 25 30 50 75 100 150 200 250 300 500 1000 2000")
_COUNTS_HELD = _words("17 42 64 350 1200")
_TIMES = (
    "5 seconds", "10 seconds", "15 seconds", "20 seconds", "30 seconds", "45 seconds", "60 seconds",
    "2 minutes", "3 minutes", "5 minutes",
)  # fmt: skip
_TIMES_HELD = ("25 seconds", "90 seconds", "4 minutes")


def _escape(path: str) -> str:
    return path.replace(".", r"\.")


def _directory(path: str) -> Value:
    return Value(path, f"^{path}/")


def _filename(name: str) -> Value:
    return Value(name, f"{_escape(name)}$")


def _date(text: str) -> Value:
    return Value(text, f'"{text}"' if " " in text else text)


def _span(text: str) -> Value:
    return Value(text, f'"{text} ago"')


def _time(text: str) -> Value:
    number, unit = text.split()
    return Value(text, number + unit[0])


def _literal(texts: tuple[str, ...]) -> tuple[Value, ...]:
    return tuple(Value(f'"{t}"', f'"{t}"') for t in texts)


def _repos(orgs: tuple[str, ...], projects: tuple[str, ...], count: int) -> tuple[Value, ...]:
    return _same(_mix("repos", orgs, projects, sep="/", count=count) + projects)


def _pool(name: str, seen: tuple[Value, ...], held: tuple[Value, ...]) -> Pool:
    return Pool(name, seen, held)


_SEEN_IDS = _same(_identifiers(_VERBS, _NOUNS, 160))
_HELD_IDS = _same(_identifiers(_VERBS_HELD, _NOUNS_HELD, 30))
_SEEN_PHRASES = _literal(_phrases(_PHRASE_A, _PHRASE_B, _PHRASE_C, 150))
_HELD_PHRASES = _literal(_phrases(_PHRASE_A_HELD, _PHRASE_B_HELD, _PHRASE_C_HELD, 36))

POOLS: dict[str, Pool] = {
    pool.name: pool
    for pool in (
        _pool("repo", _repos(_ORGS, _PROJECTS, 260), _repos(_ORGS_HELD, _PROJECTS_HELD, 40)),
        _pool("person", _people(_FIRST, _LAST, 120), _people(_FIRST_HELD, _LAST_HELD, 24)),
        _pool("identifier", _SEEN_IDS, _HELD_IDS),
        _pool("word", _same(_TERM_WORDS), _same(_TERM_WORDS_HELD)),
        _pool("phrase", _SEEN_PHRASES, _HELD_PHRASES),
        _pool("snippet", _literal(_SNIPPETS), _literal(_SNIPPETS_HELD)),
        _pool("regex", _same(_REGEXES), _same(_REGEXES_HELD)),
        _pool("bare_regex", _same(_BARE_REGEXES), _same(_BARE_REGEXES_HELD)),
        _pool("dir", tuple(map(_directory, _DIRS)), tuple(map(_directory, _DIRS_HELD))),
        _pool("extension", tuple(map(_filename, _EXTENSIONS)), tuple(map(_filename, _EXTENSIONS_HELD))),
        _pool("file", tuple(map(_filename, _FILES)), tuple(map(_filename, _FILES_HELD))),
        _pool(
            "lang",
            tuple(Value(v, v.lower()) for v in _LANGUAGES),
            tuple(Value(v, v.lower()) for v in _LANGUAGES_HELD),
        ),
        _pool("branch", _same(_BRANCHES), _same(_BRANCHES_HELD)),
        _pool("context", _same(_CONTEXTS), _same(_CONTEXTS_HELD)),
        _pool("topic", _same(_TOPICS), _same(_TOPICS_HELD)),
        _pool("owner", _same(_OWNERS), _same(_OWNERS_HELD)),
        _pool("date", tuple(map(_date, _DATES)), tuple(map(_date, _DATES_HELD))),
        _pool("span", tuple(map(_span, _SPANS)), tuple(map(_span, _SPANS_HELD))),
        _pool("count", _same(_COUNTS), _same(_COUNTS_HELD)),
        _pool("time", tuple(map(_time, _TIMES)), tuple(map(_time, _TIMES_HELD))),
    )
}
"""Every pool by its name."""
