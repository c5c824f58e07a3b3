sources := accepted.c audit.c count.c done.c envelope.c files.c gone.c idfile.c ids.c journal.c large.c live.c needs.c reader.c record.c \
	   scan.c segment.c store.c store_log.c store_move.c store_recycle.c store_sync.c walk.c
uses := base ev net stats
