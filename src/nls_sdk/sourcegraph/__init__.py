from .reading import parse
