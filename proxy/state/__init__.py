"""What is counted and kept between requests."""
