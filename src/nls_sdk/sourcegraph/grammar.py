def grammar() -> str: return ""
