from __future__ import annotations

from nls_sdk.worker.start_times import StartTimes


def test_vllms_log_is_read_for_where_its_start_went() -> None:
    times = StartTimes()
    for line in (
        "(APIServer pid=1) INFO [api_utils.py:273] non-default args: {'model_tag': '/models/first'}",
        "(EngineCore pid=1) INFO Model loading took 3.22 GiB memory and 1.250000 seconds",
        "INFO monitor.py: torch.compile took 11.93 s in total",
        "INFO Graph capturing finished in 4 secs, took 0.61 GiB",
        "INFO init engine (profile, create kv cache, warmup model) took 20.10 s (compilation: 12 s)",
    ):
        times.hear(line)
    told = times.told()
    assert told.startswith("vLLM was up after 0.0 s; ")
    assert (
        "imports 0.0 s; weights 1.2 s; compiling 11.9 s; graphs 4.0 s; engine, all of these included 20.1 s"
        in told
    )
