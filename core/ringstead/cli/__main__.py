"""`python -m ringstead.cli`, which is how Ringstead starts its own child processes."""

from ringstead.cli import main

if __name__ == "__main__":
    main()
