"""The server's log: a JSON object a line, on stderr.

    configure()
    LOG.info("request", extra={"facts": {"id": "...", "status": 200}})

No prompt or text is in it, unless the settings ask for that.
"""

import json
import logging
import sys
import time
from typing import Final

LOG: Final = logging.getLogger("anyorder.serve")


class Lines(logging.Formatter):
    """A record as a line of JSON. ASCII: a log is read by programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Time, level, event, and the facts of the record."""
        when = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line = {
            "time": f"{when}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def configure() -> None:
    """Let the server and uvicorn speak in lines, and nobody else."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Lines())
    for name, level in (("anyorder.serve", logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(level)
