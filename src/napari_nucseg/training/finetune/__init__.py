"""Fine-tuning of a model on corrected labels, in a child process.

What the parent process needs (`rows`, `folder`, `split`, `job`, `messages`, `process`, `start`)
imports neither TensorFlow nor Keras; `run` and what it uses belong to the child.
"""
