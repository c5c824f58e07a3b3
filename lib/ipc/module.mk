sources := ipc_table.c ipc_frame.c ipc_io.c ipc_chan.c ipc_blocking.c ipc_test.c
uses := base ev
