"""What runs where the GPU is: `python -m nls_sdk.worker`. The only room that imports torch and its kin."""

API_KEY_ENV = "NLS_API_KEY"
"""Where the worker finds the key that its server asks for; it stands in no argument and no event."""
