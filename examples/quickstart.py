"""The whole story in one script: data, fine-tune, merge, serve, judge. On this machine, with no account.

python examples/quickstart.py [ROWS]
"""

import sys
from pathlib import Path

from nls_sdk import Dataset, Evaluator, NlsError, TrainingJob
from nls_sdk.synthetic import TRAIN_ROWS, write
from nls_sdk_local import LocalProvider


def main(rows: int) -> None:
    """Do the whole job with so many rows of training data."""
    here = LocalProvider()
    train, val = map(Dataset.from_jsonl, write(Path("nls-quickstart"), train=rows))

    run = TrainingJob(train, here, here.demo_recipe(), name="quickstart").start()
    for event in run.events():
        print(event)

    with run.result().merge().result().deploy() as endpoint:
        print(endpoint.translate("python files in acme/web that mention retries"))
        print(Evaluator(val).compare(endpoint, sample=60))


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else TRAIN_ROWS)
    except NlsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
