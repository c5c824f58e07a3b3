sources := $(notdir $(wildcard lib/smtp/*.c))
uses := base
