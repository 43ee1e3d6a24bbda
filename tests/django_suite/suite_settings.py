"""Django's own settings for its tests on SQLite, and a runner that writes down the outcomes."""

import json
import os
from unittest import TextTestResult

from django.test.runner import DiscoverRunner

DATABASES = {
    "default": {"ENGINE": "django.db.backends.sqlite3"},
    "other": {"ENGINE": "django.db.backends.sqlite3"},
}
SECRET_KEY = "django_tests_secret_key"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
DEFAULT_AUTO_FIELD = "django.db.models.AutoField"
USE_TZ = False
TEST_RUNNER = "suite_settings.Recorder"


class Result(TextTestResult):
    """Knows the outcome of each test."""

    outcomes: dict[str, str] = {}

    def addSuccess(self, test):
        super().addSuccess(test)
        self.outcomes.setdefault(test.id(), "passed")

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.outcomes[test.id()] = "failed"

    def addError(self, test, err):
        super().addError(test, err)
        self.outcomes[test.id()] = "failed"

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.outcomes[test.id()] = "skipped"

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self.outcomes[test.id()] = "failed"


class Recorder(DiscoverRunner):
    """Writes the outcomes as JSON to the file that the environment names."""

    def get_resultclass(self):
        return Result

    def run_tests(self, *args, **kwargs):
        failures = super().run_tests(*args, **kwargs)
        with open(os.environ["OUTCOMES"], "w") as stream:
            json.dump(Result.outcomes, stream)
        return failures
