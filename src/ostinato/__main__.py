"""``python -m ostinato`` is the command line."""

import sys

if __name__ == "__main__":
    # Python has put the working directory first on the path, which may be a run of others
    del sys.path[0]
    from ostinato.cli import main

    main()
