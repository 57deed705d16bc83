"""BaselineContract: what every baseline must do, as a suite that its author inherits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from ..providers import API_VERSION
from ..translator import Translation, Translator


class BaselineContract:
    """Inherit it, and give it a fixture `baseline` that can answer; each test is a promise of `Translator`.

    Attributes:
        question: What is asked.
        threads: From how many threads at once.
    """

    question: str = "find python files with async functions"
    threads: int = 8

    def test_states_its_api_version(self, baseline: Translator) -> None:
        """Plugins of another version are refused."""
        assert getattr(baseline, "api_version", None) == API_VERSION

    def test_is_a_translator_with_a_name(self, baseline: Translator) -> None:
        """The name heads a column of the report, so it is one line."""
        assert isinstance(baseline, Translator)
        assert baseline.name.strip()
        assert "\n" not in baseline.name

    def test_answers_with_a_query(self, baseline: Translator) -> None:
        """One line of text without white space around it."""
        answer = baseline.translate(self.question)
        assert isinstance(answer, str)
        assert answer == answer.strip()
        assert answer

    def test_times_are_seconds(self, baseline: Translator) -> None:
        """The server's own time, where it is told, is not negative."""
        answer = baseline.translate(self.question)
        if isinstance(answer, Translation) and answer.server_seconds is not None:
            assert answer.server_seconds >= 0

    def test_answers_several_threads_at_once(self, baseline: Translator) -> None:
        """The evaluator asks from several threads."""
        with ThreadPoolExecutor(self.threads) as pool:
            answers = list(pool.map(baseline.translate, [self.question] * 3 * self.threads))
        assert len(answers) == 3 * self.threads
        assert all(isinstance(answer, str) and answer for answer in answers)
