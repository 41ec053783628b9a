"""An element of a page that is drawn anew meanwhile: what is done to it is done once it can be.

A helper for tests, not a test. A script may replace an element, or show it later, between the moment when it
is found and the click: a person would simply click again, and nothing has happened by then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 20.0  # seconds


class Found:
    """The first element that is seen under a selector; it is looked for again where it has gone.

    Clicks, keys, text and attributes wait until they are possible; everything else is the element's own.
    """

    def __init__(self, driver: Any, selector: str, seconds: float = PATIENCE) -> None:
        self.driver, self.selector = driver, selector
        self.element = self._find(time.monotonic() + seconds)

    def _find(self, end: float) -> Any:
        from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException

        while time.monotonic() < end:
            try:
                for element in self.driver.find_elements("css selector", self.selector):
                    if element.is_displayed():
                        return element
            except StaleElementReferenceException:
                pass
            time.sleep(0.05)
        try:
            shown = self.driver.find_element("css selector", "main").text[:300]
        except (NoSuchElementException, StaleElementReferenceException):
            shown = ""
        raise AssertionError(f"{self.selector} does not come: {shown}")

    def _once_possible(self, act: Callable[[Any], Any]) -> Any:
        from selenium.common.exceptions import (
            ElementClickInterceptedException,
            ElementNotInteractableException,
            StaleElementReferenceException,
        )

        end = time.monotonic() + PATIENCE
        while True:
            try:
                return act(self.element)
            except (
                ElementClickInterceptedException,
                ElementNotInteractableException,
                StaleElementReferenceException,
            ):
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)
            self.element = self._find(end)

    def click(self) -> None:
        self._once_possible(lambda element: element.click())

    def send_keys(self, *keys: str) -> None:
        self._once_possible(lambda element: element.send_keys(*keys))

    @property
    def text(self) -> str:
        return str(self._once_possible(lambda element: element.text))

    def get_attribute(self, name: str) -> str | None:
        found: str | None = self._once_possible(lambda element: element.get_attribute(name))
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self.element, name)
