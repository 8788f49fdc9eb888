"""The app as the worker sees it: its functions, each remembering its invocation."""

from __future__ import annotations

from copy import copy

import azure.durable_functions as df
import azure.functions as func
from azure.functions.decorators.function_app import Function

from slipway.invocation import belonging, set_up_log


class App(df.DFApp):  # type: ignore[misc]  # the library has no types
    """A Durable Functions app whose log arrives; see `slipway.invocation`."""

    def __init__(self) -> None:
        # Anonymous for the host: the platform's authentication stands in front, and the app checks the role.
        super().__init__(http_auth_level=func.AuthLevel.ANONYMOUS)
        set_up_log()

    def get_functions(self) -> list[Function]:
        """All functions, as the worker asks for them; those that are registered stay as they were written."""
        functions = [copy(function) for function in super().get_functions()]
        for function in functions:
            # As the durable client's decorator replaces it: there is no other way to a registered function's code.
            function._func = belonging(function.get_user_function())
        return functions
