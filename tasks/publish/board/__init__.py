"""`publications/board/`: a static page of every station's next hour, which works from a file and any web server."""

from tasks.publish.board.target import Board

TARGET = Board
