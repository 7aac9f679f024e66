"""The error of a pipeline that cannot go on; apart from the pipeline so that the command line need not import Ray."""


class PipelineError(Exception):
    """A stage died or stalled; names it. What was committed stays, and running again resumes."""
