# judges lines of the corpus for `make score`
sources := classify_lines.c
uses := base classify
program := tests/score/classify_lines
