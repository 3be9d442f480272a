"""The leaderboard and the comparison of measured cells with it."""
