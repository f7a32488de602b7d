"""Built-in models and prompts, for demonstrations and tests without a network.

Results on these models test the code. They are no evidence about large models.
"""

from holdfast.built_in import PROMPT_SETS as PROMPT_SETS
from holdfast.built_in import model_path as model_path
from holdfast.built_in import prompts_path as prompts_path
