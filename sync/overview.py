"""placeholder"""
def context(user): return {}
