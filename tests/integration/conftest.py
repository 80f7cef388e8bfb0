import pytest

from county import County


@pytest.fixture
def county():
    counties = []

    def make(**arguments):
        counties.append(County(**arguments))
        return counties[-1]
    yield make
    problems = []
    for one in counties:
        try:
            one.close()
        except AssertionError as problem:
            problems.append(str(problem))
    assert not problems, "\n".join(problems)
