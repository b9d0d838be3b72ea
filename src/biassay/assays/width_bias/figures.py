def figures(data):
    return ()
