"""The whole story in one script: data, fine-tune, merge, serve, judge. On this machine, with no account.

python examples/quickstart.py
"""

from pathlib import Path

from nls_sdk import Dataset, Evaluator, TrainingJob
from nls_sdk.synthetic import write
from nls_sdk_local import LocalProvider

here = LocalProvider()
train, val = map(Dataset.from_jsonl, write(Path("nls-quickstart")))

run = TrainingJob(train, here, here.demo_recipe(), name="quickstart").start()
for event in run.events():
    print(event)

with run.result().merge().result().deploy() as endpoint:
    print(endpoint.translate("python files in acme/web that mention retries"))
    print(Evaluator(val).compare(endpoint))
