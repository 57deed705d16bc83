"""The evaluation: ask any model the questions of a dataset, and say what its answers prove.

- Asking: `evaluator` (many questions, one translator after the other), `streaming` (without end), `pacing`
  (limits), `journal` (each answer on disk as it comes), `files` (where evaluations are kept).
- Judging: `rows` and `results` (the figures), `statistics` (what they are worth), `analysis` (verdicts on the
  targets, slices), `misses` (classes of wrong answers), `comparison` (two evaluations), `history` (many).
- Telling: `report` (the table), `reporting` (HTML, JUnit XML, Markdown), `exporting` (inspect_ai).
"""
