"""Why a job failed, in one line."""


def explain(error: BaseException) -> str:
    """An error in one line, without the parameters that SQLAlchemy and others write into the later ones."""
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}"[:500] if lines else type(error).__name__
