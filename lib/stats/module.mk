sources := $(notdir $(wildcard lib/stats/*.c))
uses := base
