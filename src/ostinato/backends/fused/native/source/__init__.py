"""All that generates code: these files are the key of the cache, and change what is built."""
