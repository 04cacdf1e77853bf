"""What a network heard in one clip, and whether that says anything; captum underneath, one family of methods a file."""
