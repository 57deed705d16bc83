"""The lean training step: the recipe's mathematics without what costs time and teaches nothing.

A step's examples stand end to end in one row of tokens, so that nothing is padded; only answer tokens are
projected onto the vocabulary; the frozen weights of layers that read the same input stand in one matrix; the
adapter is one vector, so that clipping and the optimizer are a few operations.
"""
