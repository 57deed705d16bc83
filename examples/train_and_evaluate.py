"""Fine-tune on your own data, wherever you like, and judge the result beside the untuned model or a baseline.

    python examples/train_and_evaluate.py pairs.jsonl --provider local --recipe recipe.toml
    OPENAI_API_KEY=… python examples/train_and_evaluate.py pairs.jsonl --baseline openai

The data is OpenAI messages JSONL; a tenth of its questions is held back for the evaluation. Ctrl-C leaves the
training running where it is: start the script again, and it attaches to the same run.
"""

import argparse
import sys

from nls_sdk import Dataset, Evaluator, MergedModel, NlsError, Recipe, Report, TrainingJob, baseline, provider
from nls_sdk.events import Log, Progress


def main(options: argparse.Namespace) -> Report:
    """Train, merge, serve and compare."""
    place = provider(options.provider)
    recipe = Recipe.from_toml(options.recipe) if options.recipe else Recipe()
    train, val = Dataset.from_jsonl(options.data).verify().split(val=0.1, seed=7)

    job = TrainingJob(train, place, recipe, name=options.name)
    estimate = job.estimate()
    print(f"estimated: {estimate.seconds} s, {estimate.dollars} dollars ({estimate.basis})")
    run = job.start()
    print(f"training as {run.ref}")
    for event in run.events():
        match event:
            case Progress(step=step, total=total, loss=loss):
                print(f"step {step} of {total}, loss {loss}")
            case Log(text=text):
                print(text, file=sys.stderr)

    evaluator = Evaluator(val)
    with run.result().merge().result().deploy() as endpoint:
        if options.baseline:
            return evaluator.compare(endpoint, baseline(options.baseline))
        results = evaluator.run(endpoint)
    with MergedModel.untuned(recipe.base_model, place).deploy(name="Untuned") as untuned:
        return Report.of(results, evaluator.run(untuned), titles=("Fine-tuned", "Untuned"))


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="OpenAI messages JSONL")
    parser.add_argument("--provider", default="local")
    parser.add_argument("--baseline", help="a baseline plugin, such as openai; else the untuned model")
    parser.add_argument("--recipe", help="a TOML file of hyperparameters")
    parser.add_argument("--name", default="example", help="the run's name")
    return parser.parse_args()


if __name__ == "__main__":
    try:
        report = main(parse())
    except NlsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    print(report)
    sys.exit(0 if report.passed else 1)
