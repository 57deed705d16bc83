"""Come back to a run from another process: yesterday's training, or a server that somebody else started.

python examples/reattach.py local:first.train
"""

import sys

from nls_sdk import Adapter, Endpoint, MergedModel, NlsError, attach


def main(ref: str) -> None:
    """Follow the run to its result and say what it is."""
    run = attach(ref)
    for event in run.events():
        print(event)
    match run.result():
        case Adapter(name=name, metrics=metrics):
            print(f"{name}: an adapter, trained to a loss of {metrics['train_loss']:.3f}")
        case MergedModel(name=name, artifact=artifact):
            print(f"{name}: a merged model, {artifact}")
        case Endpoint() as endpoint:
            print(endpoint.url, "answers:", endpoint.translate("python files that mention retries"))
        case None:
            print("the dry run is through")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    try:
        main(sys.argv[1])
    except NlsError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
