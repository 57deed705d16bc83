"""A loopback Modal: the control plane that the unchanged client and container runtime speak to, on 127.0.0.1.

    world.py        what exists: apps, functions, calls, containers, secrets
    control.py      the account, secrets, images, code mounts, apps, functions, logs
    volumes.py      v2 Volumes: blocks, commit and reload, each container with its own view
    containers.py   calls, and Modal's own container runtime in a subprocess for each container
    endpoints.py    web endpoints: cold starts, scale to zero, proxy auth, 503 and 429
    ambushes.py     containers that are taken away at a moment of their work
    faults.py       what is made to go wrong
    server.py       all of it behind one gRPC port and one HTTP port; `python -m loopback FOLDER`
    client.py       starts it for a test, and moves its levers

Pretended are image builds, GPUs and isolation. Real are authentication, secrets, Volumes, code mounts,
function bodies, retries, timeouts, cancellation, preemption, logs and web endpoints.
"""
