sources := $(notdir $(wildcard tests/mxsim/*.c))
uses := ev net base
program := tests/mxsim
