"""What runs where the GPU is: `python -m nls_sdk.worker`. The only room that imports torch and its kin."""
