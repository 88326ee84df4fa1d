"""Files of records without a footer: JSON Lines and CSV, plain or compressed.

A *record* is a line of JSON, or a row of CSV, which may go over several lines. Records are counted from 0; blank lines
and a CSV's header are none. A record that cannot be read is one all the same, so that it moves no other: its row is
rejected, and says the line.

When a store is planned, each file is read once (``described.py``): records are counted, and a plain file is cut into
stretches of bytes between them. A unit then reads its bytes and nothing else (``records.py``).
"""
