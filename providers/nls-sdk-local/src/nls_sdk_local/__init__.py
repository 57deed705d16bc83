"""The local provider: nls_sdk's jobs on this machine."""
