# judges lines and messages of the corpus for `make score`
sources := main.c classify_lines.c report_lines.c speed_lines.c
uses := base classify processor remote smtp
program := tests/score/judge
