"""What an endpoint sent, as far as it is used and kept."""

from pydantic import BaseModel, Field


class TokenProbability(BaseModel):
    """A token and the natural logarithm of its probability."""

    token: str
    logprob: float


class AnswerToken(TokenProbability):
    """A token of an answer, with the most probable tokens at its place."""

    top_logprobs: list[TokenProbability] = []


class Message(BaseModel):
    """What the model wrote, or why it did not."""

    content: str | None = None
    refusal: str | None = None


class TokenProbabilities(BaseModel):
    """The tokens of an answer."""

    content: list[AnswerToken] | None = None


class Choice(BaseModel):
    """An answer; only one is asked for."""

    message: Message
    finish_reason: str | None = None
    logprobs: TokenProbabilities | None = None


class Usage(BaseModel):
    """How many tokens a request took."""

    prompt_tokens: int
    completion_tokens: int


class Completion(BaseModel):
    """An endpoint's reply to a request for a chat completion.

    Servers differ in everything else that they send; it is ignored.
    """

    choices: list[Choice] = Field(min_length=1)
    usage: Usage | None = None
