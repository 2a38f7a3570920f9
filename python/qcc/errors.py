"""What can go wrong, as exceptions."""


class Error(Exception):
    """A call that the runtime refused. `code` is the status's name: "shape", "dtype", "index", …"""

    def __init__(self, code, message):
        super().__init__(f"{message} [{code}]")
        self.code, self.message = code, message


class CompileError(Error):
    """A compile that failed. `code` is the diagnostic's, such as "QCC1301" ("" when there is none),
    `exit_status` the compiler's, `diagnostics` all that it printed."""

    def __init__(self, code, message, exit_status, diagnostics):
        super().__init__(code, message)
        self.exit_status, self.diagnostics = exit_status, diagnostics

    def __str__(self):
        return self.diagnostics or self.message
